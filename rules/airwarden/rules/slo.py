"""Error budgets: alerts on how fast they are spent, over two windows each, and what is left.

A burn of 14.4 spends 2 % of a 30-day budget in an hour. The long window says that it is no blip, the
short one that it has not ended: the alert stops soon after the fault does.
"""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject
from airwarden.rules.objectives import Objective, resolve

#: (burn, long window, short window).
FAST = ((14.4, "1h", "5m"), (6, "6h", "30m"))
SLOW = ((3, "1d", "2h"), (1, "3d", "6h"))
#: The time over which a budget is given.
PERIOD = timedelta(days=30)

#: The range over which events are counted.
_COUNTED = timedelta(minutes=5)
_BAD, _EVENTS = "cluster_slo:airwarden_bad_events:count", "cluster_slo:airwarden_events:count"
_BUDGET = "slo:airwarden_error_budget:ratio"
LEFT = "cluster_slo:airwarden_error_budget_left:ratio"
_MINUTES = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}
_QUICK = ("5m", "30m", "1h", "2h", "6h")
_LONG = ("1d", "3d")
#: Over shorter windows no events are assumed: they only say whether it still goes on.
_ASSUMED_FROM = 60


def ratio(window: str) -> str:
    """Return the name of the recorded share of bad events over a window."""
    return f"cluster_slo:airwarden_error:ratio_{window}"


def _share(objective: Objective, minutes: int, window: str, config: RuleConfig) -> RecordingRule:
    def over(record: str) -> str:
        return f'sum_over_time({record}{{slo="{objective.name}"}}[{window}])'

    bad, events = over(_BAD), over(_EVENTS)
    if objective.at_least and minutes >= _ASSUMED_FROM:
        # Every sample counts the events of five minutes, so each event is in so many samples.
        samples = _COUNTED / config.evaluation_interval
        events = f"clamp_min({events}, {objective.at_least * samples:g})"
    return RecordingRule(ratio(window), f"{bad} / ({events} > 0)", {"slo": objective.name})


def _recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    made = []
    for objective in resolve(rules.config):
        labels = {"slo": objective.name}
        made += [
            RecordingRule(_EVENTS, objective.total(objective), labels),
            RecordingRule(_BAD, objective.bad(objective), labels),
            RecordingRule(_BUDGET, f"vector({objective.budget.normalize():f})", labels),
        ]
        made += [_share(objective, _MINUTES[w], w, rules.config) for w in _QUICK]
    return tuple(made)


def _slow_recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    period = format_duration(PERIOD)
    minutes = round(PERIOD / timedelta(minutes=1))
    made = []
    for objective in resolve(rules.config):
        made += [_share(objective, _MINUTES[w], w, rules.config) for w in _LONG]
        spent = _share(objective, minutes, period, rules.config)
        left = f"1 - {spent.expr} / {objective.budget.normalize():f}"
        made.append(RecordingRule(LEFT, left, spent.labels))
    return tuple(made)


def _burn(context: Context, pairs: tuple[tuple[float, str, str], ...]) -> str:
    def beyond(window: str, burn: float) -> str:
        share = context.series(ratio(window), labels=("slo",))
        return f"{share} > on (slo) group_left () ({burn:g} * {_BUDGET})"

    return "\nor\n".join(
        f"(\n  {beyond(long, burn)}\n  and on (cluster, slo)\n  {beyond(short, burn)}\n)"
        for burn, long, short in pairs
    )


def _exhausted(context: Context) -> str:
    return f"{context.series(LEFT, labels=('slo',))} <= 0"


_NOW = (
    "{{ $value | humanizePercentage }} of the events of {{ $labels.slo }} on {{ $labels.cluster }}"
)
SLO = Subject(
    name="slo",
    recordings=_recordings,
    slow_recordings=_slow_recordings,
    alerts=(
        AlertRule(
            name="AirflowErrorBudgetBurnFast",
            component="objectives",
            severity=Severity.CRITICAL,
            scopes=("slo",),
            # Longer than the failure alerts take: what has an alert of its own is told by that, once.
            hold=timedelta(minutes=12),
            expr=lambda c: _burn(c, FAST),
            summary=f"{_NOW} are bad: its error budget is nearly spent",
            description=(
                "At this rate 2% of a month's budget go in an hour, or 5% in six hours, and it still "
                "goes on, for <<hold>>."
            ),
        ),
        AlertRule(
            name="AirflowErrorBudgetBurnSlow",
            component="objectives",
            severity=Severity.WARNING,
            scopes=("slo",),
            hold=timedelta(minutes=15),
            expr=lambda c: _burn(c, SLOW),
            summary=f"{_NOW} are bad: its error budget will not last",
            description=(
                "At this rate 10% of a month's budget go within one to three days, and it still goes "
                "on, for <<hold>>."
            ),
        ),
        AlertRule(
            name="AirflowErrorBudgetExhausted",
            component="objectives",
            severity=Severity.INFO,
            scopes=("slo",),
            # Longer than the failure alerts take, which mute it: a fault is told of first, its bill later.
            hold=timedelta(minutes=15),
            expr=_exhausted,
            summary="The error budget of {{ $labels.slo }} on {{ $labels.cluster }} is spent",
            description=(
                "Over the last 30 days, or as far as Prometheus remembers, more was bad than the "
                "objective allows; {{ $value | humanizePercentage }} of the budget is left."
            ),
        ),
    ),
)
