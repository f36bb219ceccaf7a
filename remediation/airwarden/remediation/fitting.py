"""How many workers the load asks for: the decision of the `auto_scaling:` block on what Prometheus has measured.

The decision is pure (`decide.autoscaling`); here is where its samples come from. Each is read as it was at its
moment and only where it was written within a minute of it, so a gap in the measurements stays one, and then the
answer is to change nothing. What was changed of late it knows from the journal, whoever decided it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.core.errors import UnavailableError
from airwarden.core.ports import Prometheus
from airwarden.remediation.decide.autoscaling import (
    Changed,
    Decision,
    Fleet,
    Move,
    Node,
    Sample,
    ScalingPolicy,
    decide,
)
from airwarden.remediation.world import Begun, World

#: Actions that change how many workers there are.
SCALERS = ("workers.scale", "workers.shrink")
#: What the rules record: slots that were enough in nineteen twentieths of a week, once one was measured.
WEEK = "cluster:airwarden_slots_asked:p95_7d"
#: Seconds that it may be old: it is recorded every two minutes.
_LATELY = 300
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
    ceiling = world.fleet.maximum
    if ceiling is not None and ceiling > policy.maximum:
        policy = replace(policy, ceiling=ceiling)
    return decide(policy, _fleet(world, policy, wanted))


def surplus(world: World, policy: ScalingPolicy, wanted: int, nodes: Sequence[Node]) -> Decision:
    """Return what the policy says to so many wanted workers of which some may go; `DRAIN`, `REMOVE` or none.

    There stay at least as many as the operator's minimum says, and as nineteen twentieths of the last week
    would have needed. More than the policy's maximum are no reason to take any away: somebody wants them.

    Raises:
        UnavailableError: There is no Prometheus, it does not answer, or it has not measured for a week.
    """
    fleet = _fleet(world, policy, wanted, nodes)
    asked = _asked_for(world)
    if not fleet.samples:
        return Decision(
            Move.HOLD, wanted, "measurements are missing: nothing is changed without them"
        )
    needed = math.ceil(asked / fleet.samples[-1].slots / policy.aim - 1e-9)
    least = max(policy.minimum, world.fleet.minimum, needed)
    if wanted <= least:
        why = f"{least} workers are the fewest: the last week asked for {needed}"
        return Decision(Move.HOLD, wanted, why)
    bounded = replace(policy, minimum=least, maximum=max(policy.maximum, wanted))
    decision = decide(bounded, fleet)
    if decision.move in (Move.DRAIN, Move.REMOVE, Move.HOLD):
        return decision
    return Decision(Move.HOLD, wanted, decision.why)


def latest(world: World, policy: ScalingPolicy) -> Sample:
    """Return the newest measurement of the fleet.

    Raises:
        UnavailableError: There is none of the last minutes.
    """
    samples = read_samples(_prometheus(world), world.cluster, world.clock.elapsed(), policy)
    if not samples or world.clock.elapsed() - samples[-1].at > policy.gap:
        raise UnavailableError("the workers were not measured lately")
    return samples[-1]


def _fleet(world: World, policy: ScalingPolicy, wanted: int, nodes: Sequence[Node] = ()) -> Fleet:
    """Return what a decision looks at; raises UnavailableError where nothing measures."""
    now = world.clock.elapsed()
    samples = read_samples(_prometheus(world), world.cluster, now, policy)
    return Fleet(now, wanted, samples, nodes, _changes(world, now, policy))


def _prometheus(world: World) -> Prometheus:
    if world.prometheus is None:
        raise UnavailableError(
            "no Prometheus is configured: nothing tells how busy the workers were"
        )
    return world.prometheus


def _asked_for(world: World) -> float:
    """Return the slots that were enough in nineteen twentieths of the last week; raises UnavailableError."""
    found = _prometheus(world).query(f"last_over_time({WEEK}{{{_of(world.cluster)}}}[{_LATELY}s])")
    if len(found) != 1 or not math.isfinite(found[0].value):
        raise UnavailableError(
            "Prometheus has not measured for a week: nothing tells how many workers are needed at times"
        )
    return found[0].value


def _changes(world: World, now: float, policy: ScalingPolicy) -> tuple[Changed, ...]:
    """Return by how much the number of workers was changed within the longer of the rates' periods."""
    if world.ledger is None:
        return ()
    longest = max(policy.up_rate.period, policy.down_rate.period)
    begun = world.ledger.begun(world.cluster, SCALERS, within=longest)
    return tuple(Changed(now - one.ago, by) for one in begun if (by := _changed_by(one)))


def _changed_by(one: Begun) -> int:
    """Return how many workers more an effect wanted: one process, or a workload's most."""
    if "maximum" in one.parameters:
        return int(one.parameters["maximum"]) - int(one.before["maximum"])
    return {"running": 1, "stopped": -1}.get(str(one.parameters.get("desired")), 0)


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
        found.append(Sample(now - ago, int(nodes), busy / each, waiting / each, each))
    return tuple(found)


def _past(prometheus: Prometheus, cluster: str, name: str, longest: int) -> Mapping[int, float]:
    """Return seconds ago → value of one series, in one query."""
    of = _of(cluster)
    moments = [
        'label_replace({}, "ago", "{}", "", "")'.format(
            _SERIES[name].format(over="last_over_time", of=of, fresh=_FRESH, before=_before(ago)),
            ago,
        )
        for ago in range(0, longest + 1, _STEP)
    ]
    told = prometheus.query(" or ".join(moments))
    return {int(one.labels["ago"]): one.value for one in told}


def _of(cluster: str) -> str:
    """Return the matcher of a cluster."""
    escaped = cluster.replace("\\", "\\\\").replace('"', '\\"')
    return f'cluster="{escaped}"'


def _before(ago: int) -> str:
    """Return how a selector looks back; Prometheus takes no offset of nothing."""
    return f" offset {ago}s" if ago else ""
