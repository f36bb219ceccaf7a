"""`pool.hold`: take a pool's slots down to a canary's, and give them back in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airwarden.core.platform import Pool
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, Refused
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.actions.pool_slots import SetsSlots, pool_named, pools_of
from airwarden.remediation.world import Json, Subject, World

#: Shares of the old slots that are given back one after the other.
RAMP = (0.1, 0.25, 0.5, 1.0)
#: Share of the tries under the last share of slots that must have succeeded for the next.
_ENOUGH = 0.95


class PoolHold(SetsSlots):
    """Hold new starts: slots below what is running, since each slot that a task leaves is taken.

    Parameters:
        pools: `dependency` (default) for the pools of the dependency that the labels name, `all`
            for every pool, or a list of names.
        floor: Slots that stay, at least 1; for a dependency its own floor counts (1).
        ramp: Shares of the old slots for giving back, rising to 1 (0.1, 0.25, 0.5, 1).
        every: Seconds between two shares (120).

    Each undo gives back the next share, if what used the last one has not failed; it touches a pool
    only while the pool has a number that we set. Slots are never set to 0, which stops everything,
    nor to -1: a pool without limit is left alone, since its limit could not be taken away again.
    """

    name = "pool.hold"
    danger = Danger.B
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("somebody set the pool to a third number of slots", "the pool is gone")

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose the pools that still let more than the floor start."""
        floor, names = self._wanted(world, subject, parameters)
        if names is not None and not names:
            return Nothing("no pool is declared for it")
        found = [pool for pool in pools_of(world) if names is None or pool.name in names]
        missing = sorted(set(names or ()) - {pool.name for pool in found})
        if missing:
            return Refused(f"Airflow has no pool {', '.join(missing)}", cause="unknown pool")
        way_back = _way_back(parameters, subject)
        effects = tuple(
            self.effect(
                world,
                pool,
                floor,
                f"hold pool {pool.name} at {floor} (of {pool.slots})",
                way_back=way_back,
            )
            for pool in found
            if pool.slots > max(floor, _held_at(world, subject, pool.name))
        )
        if not effects:
            return Nothing(f"every pool has at most {floor} slots already")
        evidence = {
            "running": {pool.name: pool.running for pool in found},
            "unlimited": [pool.name for pool in found if pool.slots < 0],
        }
        return Plan(effects, evidence)

    def _wanted(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> tuple[int, Sequence[str] | None]:
        """Return the floor and the pools' names, None for all of them."""
        floor, wanted = int(parameters.get("floor", 1)), parameters.get("pools", "dependency")
        if wanted == "all":
            return max(1, floor), None
        if wanted != "dependency":
            return max(1, floor), tuple(wanted)
        dependency = world.dependencies.get(subject.labels.get("dependency", ""))
        if dependency is None:
            return max(1, floor), ()
        return max(1, floor, dependency.floor), dependency.pools

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan the next share of the old slots, as long as the pool has a number that we set."""
        name, old = str(effect.parameters["pool"]), int(effect.before["slots"])
        held, way_back = int(effect.parameters["slots"]), effect.parameters["way_back"]
        pool = pool_named(world, name)
        if pool is None:
            return Nothing(f"pool {name} is gone")
        stages = ramp_stages(old, held, way_back["ramp"])
        if pool.slots == old:
            return Nothing(f"pool {name} has its {old} slots again")
        if others := _holders(world, str(way_back.get("for", "")), name):
            return Refused(
                f"pool {name} is held for {', '.join(others)} as well, which is still down"
            )
        if pool.slots not in (held, *stages):
            return Nothing(f"pool {name} was set to {pool.slots} by someone else: left alone")
        if pool.slots != held and (reason := self._too_early(world, pool, effect)):
            return Refused(reason)
        slots = next(stage for stage in stages if stage > pool.slots)
        summary = f"give pool {name} {slots} of {old} slots"
        return Plan((self.effect(world, pool, slots, summary, way_back=way_back),))

    def _too_early(self, world: World, pool: Pool, effect: Effect) -> str:
        """Return why the last share has not yet shown that it is borne, or nothing."""
        every = float(effect.parameters["way_back"]["every"])
        if world.ledger is not None and world.ledger.count(self.name, effect.target, within=every):
            return f"pool {pool.name} got its last share less than {every:.0f} s ago"
        since = world.clock.now() - timedelta(seconds=every)
        recent = world.rest.task_instances(
            states=("success", "failed", "up_for_retry"), pools=(pool.name,), updated_after=since
        )
        tries = [task for task in recent if task.start_date and task.start_date >= since]
        good = sum(task.state == "success" for task in tries)
        if tries and good / len(tries) < _ENOUGH:
            return f"only {good} of {len(tries)} tries in pool {pool.name} succeeded since"
        return ""


def ramp_stages(old: int, held: int, ramp: Sequence[float]) -> list[int]:
    """Return the slot numbers from above the hold to the old one, rising."""
    rising = sorted({math.ceil(old * share) for share in ramp if share < 1})
    return [*(stage for stage in rising if held < stage < old), old]


def _way_back(parameters: Mapping[str, Any], subject: Subject) -> Json:
    ramp = [float(share) for share in parameters.get("ramp", RAMP)]
    # A pool held for no dependency is held for the broker, which every task needs.
    held_for = subject.labels.get("dependency", "") or BROKER
    return {"ramp": ramp, "every": float(parameters.get("every", 120)), "for": held_for}


def _holders(world: World, own: str, pool: str) -> list[str]:
    """Return what else holds the pool: the broker, or a dependency, whose breaker is open.

    An effect that does not say what it was done for is an earlier version's: nothing is known then.
    """
    if not own:
        return []
    named = [one.name for one in world.dependencies.values() if pool in one.pools]
    return [name for name in (*named, BROKER) if name != own and is_open(world, name)]


def _held_at(world: World, subject: Subject, pool: str) -> int:
    """Return the slots at which an open breaker of another dependency holds the pool; 0 if none does.

    Its run owns the pool's lock, and gives nothing back while this outage's breaker is open too.
    """
    own = subject.labels.get("dependency", "")
    floors = [
        max(1, one.floor)
        for one in world.dependencies.values()
        if one.name != own and pool in one.pools and is_open(world, one.name)
    ]
    return max(floors, default=0)
