"""Reading what stands around a target, right before an effect: live first, then in the intent's transaction.

What could not be read live is named, and the guards then say no. What reverts an effect of ours is not
held up by a roll-out, an alert or a clock: the way back has to stay open.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from airwarden.core.alerts import Alert
from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.actions.base import Action, Danger, Effect, ReadBack
from airwarden.remediation.case import READ_DEADLINE, Case, Parts
from airwarden.remediation.decide.around import (
    CONTROL_PLANE,
    Around,
    Fleet,
    Siblings,
    Unit,
    unit_of,
)
from airwarden.remediation.decide.holds import (
    blocking,
    changed_lately,
    clock_offset,
    out_of_bounds,
)
from airwarden.remediation.fleets import FleetReading, read_fleet
from airwarden.remediation.journal import alerts, surroundings
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.surroundings import WORKERS
from airwarden.remediation.plans import Planned, StoredPlan
from airwarden.remediation.world import World

SCHEMA = "the metadata database's schema"
_METADATA = "the metadata database"
_MOVING = (ProcessState.STARTING, ProcessState.STOPPING)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read live.

    Attributes:
        processes: Those of the target's component; None where they were not needed or not readable.
        fleet: Likewise, how the target's fleet looks.
        alerts: What Alertmanager shows as active; None where it was not asked.
        schema: The schema's revision, None where there is no access to it.
        database_offset: Seconds by which the metadata database's clock is ahead of this machine's.
        reverted: How often in a row this very effect was confirmed lately, if it stands no more.
        unreadable: What could not be read, with why.
    """

    processes: Sequence[HostProcess] | None = None
    fleet: FleetReading | None = None
    alerts: Sequence[Alert] | None = None
    schema: str | None = None
    database_offset: float = 0.0
    reverted: int = 0
    unreadable: tuple[str, ...] = field(default=())


class Surroundings:
    """Gathers `Around`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def look(self, case: Case, plan: StoredPlan, action: Action) -> Seen:
        """Read live what the guards need to know for the plan's first effect."""
        planned = plan.left[0]
        world, rails = case.world, case.rails
        with self._parts.journal.read() as tx:
            since = tx.now - rails.fight_window
            before = surroundings.same_before(tx, planned.effect, since)
        if planned.undo_of is not None or len(before) < rails.fight_reverts:
            before = []
        try:
            return self._parts.calls.run(
                lambda: _look(world, planned, action, before), deadline=READ_DEADLINE
            )
        except AirwardenError as error:
            return Seen(unreadable=(f"what stands around the target ({error})",))

    def around(
        self, tx: Tx, case: Case, plan: StoredPlan, action: Action, seen: Seen
    ) -> tuple[Around, list[str]]:
        """Return the facts, and what else could not be read, in the transaction of the intent."""
        planned = plan.left[0]
        effect, unit, cluster = planned.effect, unit_of(planned.effect), case.run.cluster
        around = Around(
            targets=plan.total + _dealt_before(case, plan),
            protected=out_of_bounds(effect, self._parts.playbooks().protect),
            journal_lag=surroundings.inbox_lag(tx),
        )
        unreadable: list[str] = []
        if planned.undo_of is None:
            around = replace(
                around,
                changed=self._changed(tx, case, seen),
                blockers=self._blockers(tx, case, seen),
                clock_offsets=(
                    ("the journal's database", tx.clock_offset),
                    (_METADATA, seen.database_offset),
                ),
                reverted=seen.reverted,
            )
        if unit is None:
            return around, unreadable
        if seen.processes is not None:
            around = replace(around, replaced=_replaced(unit, effect, seen.processes))
        if _needs_siblings(unit, action):
            held = surroundings.held_by_others(tx, cluster, case.run.id)
            siblings = _siblings(unit, effect, seen.processes or (), held)
            around = replace(around, siblings=siblings)
        if needs_fleet(unit, effect, action):
            touched = surroundings.in_repair(tx, cluster)
            fleet = self._fleet(tx, case, unit, touched, seen.fleet)
            if isinstance(fleet, str):
                unreadable.append(fleet)
            else:
                around = replace(around, fleet=fleet)
        return around, unreadable

    def _fleet(
        self, tx: Tx, case: Case, unit: Unit, touched: Collection[str], live: FleetReading | None
    ) -> Fleet | str:
        """Return the fleet from its newest snapshot, or why it is not known."""
        cluster, rails = case.run.cluster, case.rails
        if live is not None:
            keep_fleet(tx, cluster, live)
        kept = surroundings.fleet(tx, cluster=cluster, fleet=WORKERS)
        if kept is None:
            return f"the fleet of {WORKERS} (never seen)"
        age = tx.now - kept.taken_at
        if age > rails.fleet_max_age:
            return f"the fleet of {WORKERS} (seen {age.total_seconds():.0f} s ago)"
        horizon = max(rails.pace, rails.pace_degraded)
        down = surroundings.taken_down(tx, cluster, tx.now - horizon)
        members = live.members if live else frozenset(down)
        repaired = {n for n in touched if live is None or n in live.members} - {unit.name}
        return Fleet(
            name=WORKERS,
            total=kept.total,
            healthy=kept.healthy,
            in_repair=len(repaired),
            serving=live is None or (unit.name in live.serving and unit.name not in touched),
            minimum=case.world.fleet.minimum,
            last_effect=max((at for name, at in down.items() if name in members), default=None),
        )

    def _changed(self, tx: Tx, case: Case, seen: Seen) -> tuple[str, ...]:
        """Return what of the platform's versions has changed lately, keeping what was seen now."""
        cluster, hold = case.run.cluster, case.rails.rollout_hold
        if seen.schema is not None:
            surroundings.note_version(tx, cluster=cluster, what=SCHEMA, value=seen.schema)
        clauses = (
            changed_lately(one.what, one.value, one.previous, one.changed_at, tx.now, hold)
            for one in surroundings.versions(tx, cluster)
        )
        return tuple(clause for clause in clauses if clause)

    def _blockers(self, tx: Tx, case: Case, seen: Seen) -> list[str]:
        """Return the alerts that block; from the journal where no Alertmanager is configured."""
        block_on = self._parts.playbooks().block_on_of(case.incident.playbook)
        if not block_on:
            return []
        own = alerts.firing_prints(tx, case.incident.id)
        shown = seen.alerts
        if shown is None:
            shown = surroundings.firing(tx, case.run.cluster)
        return blocking(shown, block_on, cluster=case.run.cluster, own=own)


def _dealt_before(case: Case, plan: StoredPlan) -> int:
    """Return how many targets of the step earlier plans of it have dealt with."""
    return len(
        {
            one.step_seq
            for one in case.attempts
            if one.step_id == plan.step
            and one.undo_of is None
            and one.step_seq < case.progress.round_seq
        }
    )


def needs_fleet(unit: Unit, effect: Effect, action: Action) -> bool:
    """Return whether the effect takes something from a fleet: the dead may always be started."""
    takes = effect.removes_capacity or (action.danger is not Danger.A and not effect.dead)
    return unit.component is Component.WORKER and takes


def _needs_siblings(unit: Unit, action: Action) -> bool:
    return unit.component in CONTROL_PLANE and action.danger is not Danger.A


def keep_fleet(tx: Tx, cluster: str, live: FleetReading) -> None:
    """Keep a reading as the fleet's snapshot; what is in repair does not count as healthy."""
    repaired = {name for name in surroundings.in_repair(tx, cluster) if name in live.members}
    surroundings.put_fleet(
        tx,
        cluster=cluster,
        fleet=WORKERS,
        total=len(live.members),
        healthy=len(live.serving - repaired),
        in_repair=len(repaired),
    )


def _look(world: World, planned: Planned, action: Action, before: Sequence[Effect]) -> Seen:
    seen, unit = Seen(), unit_of(planned.effect)
    unreadable: list[str] = []
    if before:
        try:
            stands = action.read_back(world, before[0]) is ReadBack.DONE
            seen = replace(seen, reverted=0 if stands else len(before))
        except AirwardenError as error:
            unreadable.append(f"what became of the last {action.name} ({error})")
    if unit is not None and not unit.whole and world.host is not None:
        try:
            seen = replace(seen, processes=list(world.host.processes(unit.component)))
        except AirwardenError as error:
            unreadable.append(f"the process supervisor ({error})")
    if unit is not None and needs_fleet(unit, planned.effect, action):
        # Unreadable for a moment is bridged by the last snapshot: its age decides.
        try:
            seen = replace(seen, fleet=read_fleet(world))
        except AirwardenError:
            seen = replace(seen, fleet=None)
    if planned.undo_of is None and world.database is not None:
        try:
            schema, offset = read_database(world)
            seen = replace(seen, schema=schema, database_offset=offset)
        except AirwardenError as error:
            unreadable.append(f"the metadata database's version ({error})")
    return replace(seen, unreadable=tuple(unreadable))


def read_database(world: World) -> tuple[str | None, float]:
    """Return the schema's revision, and by how many seconds the database's clock is ahead of ours."""
    if world.database is None:
        return None, 0.0
    before = world.clock.now()
    row = next(iter(world.database.rows("platform")), None)
    after = world.clock.now()
    if row is None:
        return None, 0.0
    theirs = row["now"]
    offset = clock_offset(before, theirs, after) if theirs is not None else 0.0
    return str(row["schema_revision"]), offset


def _replaced(unit: Unit, effect: Effect, processes: Sequence[HostProcess]) -> bool:
    now = next((one for one in processes if one.name == unit.name), None)
    return now is not None and bool(effect.generation) and now.generation != effect.generation


def _siblings(
    unit: Unit, effect: Effect, processes: Sequence[HostProcess], held: Sequence[Effect]
) -> Siblings:
    """Look at the others of a component: by what they are, since successors have other names.

    Whoever has the same target is told of by its lock.
    """
    touched = [unit_of(one) for one in held if one.target != effect.target]
    others = [one for one in processes if one.name != unit.name]
    return Siblings(
        component=unit.component,
        in_repair={one.name for one in touched if one and one.component is unit.component},
        moving=[one.name for one in others if one.state in _MOVING],
        down=[one.name for one in others if one.state.proved_dead],
    )
