"""The rails' numbers, with their defaults and where each comes from. Every one can be configured.

Budgets count effects that take something away from a serving platform (danger B and C). What reverts
our own change or adds capacity (danger A) has wider budgets of its own: otherwise the ramp that ends a
breaker would be refused by the budget that the breaker's opening used up, and the platform would stay
throttled for an hour. Likewise a retry within one incident is not held back by the cool-down, which is
there to keep *new* incidents from repeating a remedy that does not last; attempts and budgets bound it.
And a step that does one thing to many targets (all pools held while the broker is away) is one use of
its playbook's budget and of the common ones, and one of each target's: counted target by target, a
seventh pool would be left open by a budget of six. What bounds its width are the waves in which it goes
out and `fan_out_most`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rails:
    """How far automation may go; counts are effects, times are durations.

    Attributes:
        effects_in_flight: Over all clusters (kured: 1; a judgement).
        disruptive_in_flight: Per cluster, danger B and C (kured: concurrency 1).
        playbook_per_hour: B and C effects of one playbook in one cluster (a judgement).
        all_per_hour: B and C effects over all clusters.
        all_per_day: The same, per day.
        target_per_hour: B and C effects on one target.
        target_per_day: The same, per day.
        mild_playbook_per_hour: A effects of one playbook in one cluster.
        mild_target_per_hour: A effects on one target.
        mild_all_per_hour: A effects over all clusters.
        cool_down: Before another incident's remedy by the same playbook touches the same target
            (Draino: 10 min); doubles with each use.
        cool_down_cap: It never grows beyond this.
        cool_down_reset: Healthy for so long after it: it starts again at `cool_down` (CAPI: 1 h).
        plan_ttl: A plan older than this is made anew (AWS 2025: a stale plan was enacted).
        recheck: How often a refused run asks again.
        refusal_patience: An action that refuses is asked again for so long before a human is called.
        guard_patience: Refused for longer than this: a human is called.
        unreadable_patience: A guard or check that cannot be read for longer than this: likewise.
        effect_attempts: Times that one effect is tried, after it was proved not to have happened.
        read_back_patience: An unknown result that cannot be read back for so long is undecidable.
        backoff_base: First retry of a remedy comes within this, at random (full jitter).
        backoff_cap: And never later than this.
        recurrence_window: The same fault again within this reopens the incident.
        still_firing_patience: An alert still firing so long after its incident was resolved reopens
            it: the live check and the alert disagree.
        quiet_close: Without a live check, alerts must have been gone for so long before it is over.
        verify_every: How often health is read while verifying.
        approval_ttl: An approval that nobody gave by then is denied.
        approved_within: An approved plan must start within this.
        storm_incidents: More incidents of one playbook within `storm_window` are one storm (a judgement).
        storm_window: Within which they are counted.
        storm_alerts_per_minute: More alerts that playbooks act on, in one cluster, are a storm too
            (a judgement).
        storm_unhealthy_percent: And so is a fleet of which more than this is unhealthy (CAPI: 40 %).
        storm_calm: Below these limits for so long, a storm is over (medik8s: storm cool-down).
        flap_cycles: An alert that fired and ended so often within `flap_window` flaps (a judgement);
            0 leaves this sign out.
        flap_window: Within which it is counted.
        flap_percent: One that changed in more than this share of `flap_samples` flaps too (Nagios:
            50 % of 21 samples); 100 leaves this sign out.
        flap_samples: How many moments are looked at.
        flap_every: How far apart they are.
        flap_hold: For so long after flapping was seen nothing is done by itself (a judgement).
        flap_quiet: And the incident is over once its alerts were gone for so long.
        fleet_share_percent: Workers of a fleet that may be in repair at a time, rounded down
            (Karpenter, Envoy's ejection, AWS Config: 10 %).
        fleet_share_one_from: From this size of the fleet on, one may be in repair even so. In a
            smaller fleet only one that serves nothing (dead, or silent and idle): with the share alone a
            silent worker of a small fleet could never be healed.
        healthy_floor_percent: Workers that must be healthy before one is taken down (medik8s: 51 %);
            a target that serves nothing is counted out first, or one of two would always be too many.
        fleet_max_age: A fleet seen longer ago than this is not known (a judgement).
        degraded_percent: A fleet with more than this share unhealthy is degraded (CAPI: 40 %).
        pace: Between two effects that take down a worker (Kubernetes' node eviction: 0.1 a second).
        pace_degraded: The same while the fleet is degraded (Kubernetes: 0.01 a second).
        pace_small_fleet: Up to this size, none while degraded (Kubernetes: 50).
        fan_out_most: Targets of one step; a plan with more is a person's (a judgement: a quarter of 500
            workers is added at once).
        ramp_from: A step with so many targets goes out in waves, a canary first (more than three is
            many, as for paused DAGs).
        ramp_first_percent: Share of the targets in the wave after the canary (SSM: 5 %).
        ramp_percent: Share in each further wave (SSM: 10 %).
        ramp_least: Targets in a wave after the canary at least (a judgement: 10 % of a dozen is one).
        ramp_pause: Between a wave and the look whether it stuck (a judgement).
        ramp_errors_percent: More than this share gone wrong stops the step (Config's 50 % is too loose).
        rollout_hold: After the schema or the version of Airflow changed, nothing is done for so long
            (a judgement: longer than a restart of everything takes).
        journal_lag_most: A due delivery that has waited longer holds all effects (medik8s, kured: they
            stop when they do not see).
        clock_offset_most: A database's clock that differs more holds all effects (a judgement).
        fight_reverts: The same effect on the same target, taken back by somebody else so often: hands off.
        fight_window: And counted within this.
        playbook_failures: Runs of one playbook in one cluster that acted in vain, one after another:
            its breaker opens (a judgement: two incidents of two attempts). 0 for never.
        playbook_rest: So long it does nothing then; after that one run may try.
        promotion_shadow: In shadow for so long since its first firing before it has earned `approve`
            (Draino: always dry-run first; the number is a judgement).
        promotion_firings: And so many firings that people judged, live or replayed (a judgement).
        promotion_right_percent: Of which so many were judged right, and none harmful (a judgement).
        promotion_approved_runs: So many runs that people approved and that healed before it has
            earned `auto` (a judgement).
    """

    effects_in_flight: int = 3
    disruptive_in_flight: int = 1
    playbook_per_hour: int = 6
    all_per_hour: int = 20
    all_per_day: int = 60
    target_per_hour: int = 2
    target_per_day: int = 4
    mild_playbook_per_hour: int = 60
    mild_target_per_hour: int = 12
    mild_all_per_hour: int = 200
    cool_down: timedelta = 10 * _MINUTE
    cool_down_cap: timedelta = 4 * _HOUR
    cool_down_reset: timedelta = _HOUR
    plan_ttl: timedelta = _MINUTE
    recheck: timedelta = timedelta(seconds=5)
    refusal_patience: timedelta = timedelta(seconds=30)
    guard_patience: timedelta = 5 * _MINUTE
    unreadable_patience: timedelta = _MINUTE
    effect_attempts: int = 2
    read_back_patience: timedelta = 2 * _MINUTE
    backoff_base: timedelta = timedelta(seconds=30)
    backoff_cap: timedelta = 30 * _MINUTE
    recurrence_window: timedelta = _HOUR
    still_firing_patience: timedelta = 10 * _MINUTE
    quiet_close: timedelta = _MINUTE
    verify_every: timedelta = timedelta(seconds=5)
    approval_ttl: timedelta = 15 * _MINUTE
    approved_within: timedelta = _MINUTE
    storm_incidents: int = 5
    storm_window: timedelta = 5 * _MINUTE
    storm_alerts_per_minute: int = 50
    storm_unhealthy_percent: int = 40
    storm_calm: timedelta = 10 * _MINUTE
    flap_cycles: int = 3
    flap_window: timedelta = _HOUR
    flap_percent: int = 50
    flap_samples: int = 21
    flap_every: timedelta = timedelta(seconds=15)
    flap_hold: timedelta = 4 * _HOUR
    flap_quiet: timedelta = 30 * _MINUTE
    fleet_share_percent: int = 10
    fleet_share_one_from: int = 5
    healthy_floor_percent: int = 51
    fleet_max_age: timedelta = timedelta(seconds=30)
    degraded_percent: int = 40
    pace: timedelta = timedelta(seconds=10)
    pace_degraded: timedelta = timedelta(seconds=100)
    pace_small_fleet: int = 50
    fan_out_most: int = 150
    ramp_from: int = 4
    ramp_first_percent: int = 5
    ramp_percent: int = 10
    ramp_least: int = 5
    ramp_pause: timedelta = timedelta(seconds=5)
    ramp_errors_percent: int = 10
    rollout_hold: timedelta = 10 * _MINUTE
    journal_lag_most: timedelta = timedelta(seconds=5)
    clock_offset_most: timedelta = timedelta(seconds=2)
    fight_reverts: int = 2
    fight_window: timedelta = _HOUR
    playbook_failures: int = 4
    playbook_rest: timedelta = _HOUR
    promotion_shadow: timedelta = timedelta(days=14)
    promotion_firings: int = 20
    promotion_right_percent: int = 95
    promotion_approved_runs: int = 10

    @staticmethod
    def names() -> frozenset[str]:
        """Return the names that an override may use."""
        return frozenset(field.name for field in fields(Rails))

    def with_overrides(self, overrides: dict[str, Any]) -> Rails:
        """Return a copy with some numbers replaced."""
        return replace(self, **overrides)
