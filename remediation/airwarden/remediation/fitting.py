"""How many workers the load asks for: the decision of the `auto_scaling:` block on what Prometheus has measured.

The decision is pure (`decide.autoscaling`); here is where its samples come from. Each is read as it was at its
moment and only where it was written within a minute of it, so a gap in the measurements stays one, and then the
answer is to change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airwarden.core.errors import UnavailableError
from airwarden.core.ports import Prometheus
from airwarden.remediation.decide.autoscaling import (
    Decision,
    Fleet,
    Move,
    Sample,
    ScalingPolicy,
    decide,
)
from airwarden.remediation.world import World

#: Seconds between two samples, and that a measurement may be old at its moment.
_STEP, _FRESH = 30, 60
#: How many nodes there are, how many tasks they can have, and how many they have or wait for them.
_SERIES = {
    "nodes": 'count({over}(airwarden_celery_worker_concurrency{{{of}}}[{fresh}s]{before}))',
    "slots": 'sum({over}(airwarden_celery_worker_concurrency{{{of}}}[{fresh}s]{before}))',
    "busy": 'sum({over}(airwarden_task_instances{{{of},state="running"}}[{fresh}s]{before}))',
    "waiting": 'sum({over}(airwarden_task_instances{{{of},state="queued"}}[{fresh}s]{before}))',
}  # fmt: skip


def fitting(world: World, policy: ScalingPolicy, wanted: int) -> Decision:
    """Return what the policy says to so many wanted workers; only `ADD` and `RAISE` add any.

    Raises:
        UnavailableError: There is no Prometheus, or it does not answer.
    """
    if world.prometheus is None:
        raise UnavailableError(
            "no Prometheus is configured: nothing tells how busy the workers were"
        )
    ceiling = world.fleet.maximum
    if ceiling is not None and ceiling > policy.maximum:
        policy = replace(policy, ceiling=ceiling)
    now = world.clock.elapsed()
    samples = read_samples(world.prometheus, world.cluster, now, policy)
    return decide(policy, Fleet(now=now, wanted=wanted, samples=samples))


def target(decision: Decision, wanted: int) -> int:
    """Return how many workers there may be by a decision; as many as before where it adds none."""
    if decision.move is Move.ADD:
        return decision.wanted
    return decision.raised.limit if decision.raised is not None else wanted


def read_samples(
    prometheus: Prometheus, cluster: str, now: float, policy: ScalingPolicy
) -> tuple[Sample, ...]:
    """Return the fleet's past as far as the policy looks back, oldest first; moments without data are left out."""
    longest = int(max(policy.up_for, policy.down_for)) + _STEP
    series = {name: _past(prometheus, cluster, name, longest) for name in _SERIES}
    found = []
    for ago in range(longest, -1, -_STEP):
        nodes, slots = series["nodes"].get(ago), series["slots"].get(ago)
        busy, waiting = series["busy"].get(ago), series["waiting"].get(ago)
        if not nodes or not slots or busy is None or waiting is None:
            continue
        each = slots / nodes
        found.append(Sample(now - ago, int(nodes), busy / each, waiting / each))
    return tuple(found)


def _past(prometheus: Prometheus, cluster: str, name: str, longest: int) -> Mapping[int, float]:
    """Return seconds ago → value of one series, in one query."""
    escaped = cluster.replace("\\", "\\\\").replace('"', '\\"')
    of = f'cluster="{escaped}"'
    moments = [
        'label_replace({}, "ago", "{}", "", "")'.format(
            _SERIES[name].format(over="last_over_time", of=of, fresh=_FRESH, before=_before(ago)),
            ago,
        )
        for ago in range(0, longest + 1, _STEP)
    ]
    told = prometheus.query(" or ".join(moments))
    return {int(one.labels["ago"]): one.value for one in told}


def _before(ago: int) -> str:
    """Return how a selector looks back; Prometheus takes no offset of nothing."""
    return f" offset {ago}s" if ago else ""
