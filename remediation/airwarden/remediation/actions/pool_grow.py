"""`pool.grow`: a quarter more slots for a pool whose tasks starve, for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airwarden.core.platform import Pool
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, Refused
from airwarden.remediation.actions.pool_slots import SetsSlots, pool_named
from airwarden.remediation.components import database_pace
from airwarden.remediation.world import Json, Subject, World

#: The largest share of its slots that a pool grows by at once.
_MOST_GROWTH = 0.25


class PoolGrow(SetsSlots):
    """Give a starving pool at most a quarter more slots; its undo sets the old number again.

    Parameters:
        pool: Its name; the label `pool` by default.
        growth: Share of its slots to add, rounded up, at most 0.25 (0.25).
        most: Slots above which it never grows; None for no bound but the growth.
        protect: Pools that are never grown, beside those of a declared dependency: such a pool is
            small to protect something.

    It does nothing where a slot is free or no task waits, and refuses while the metadata database is
    slow, and for a pool of no slots, which somebody has closed. A pool that somebody has set since is left alone. When the old number is set again, running
    tasks go on: only new ones wait until there is room.
    """

    name = "pool.grow"
    danger = Danger.B
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("somebody set the pool to a third number of slots", "the pool is gone")

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Read the pool, and plan its absolute new number of slots."""
        name = str(parameters.get("pool") or subject.labels.get("pool", ""))
        if not name:
            return Refused("the alert names no pool", cause="unknown pool")
        pool = pool_named(world, name)
        if pool is None:
            return Refused(f"Airflow has no pool {name}", cause="unknown pool")
        if reason := self._protects(world, name, parameters):
            return Refused(reason, cause="protective pool is full", evidence=_facts(pool))
        if pool.slots < 0:
            return Nothing(f"pool {name} has no limit")
        if not pool.slots:
            return Refused(
                f"pool {name} has no slots: somebody has closed it",
                cause="pool is closed",
                evidence=_facts(pool),
            )
        if pool.open > 0 or not pool.scheduled:
            return Nothing(f"pool {name} has {pool.open} open slots, {pool.scheduled} tasks wait")
        growth = min(_MOST_GROWTH, float(parameters.get("growth", _MOST_GROWTH)))
        wanted = pool.slots + max(1, math.ceil(pool.slots * growth))
        if (most := parameters.get("most")) is not None:
            wanted = min(wanted, int(most))
        if wanted <= pool.slots:
            return Refused(
                f"pool {name} has {pool.slots} slots, and {most} are allowed",
                cause="pool is full",
                evidence=_facts(pool),
            )
        if world.database is not None and (pace := database_pace(world)).slow:
            return Refused(
                f"{pace.sentence}: more tasks would add to its load",
                cause="metadata database slow",
                evidence=_facts(pool),
            )
        summary = f"give pool {name} {wanted} slots (of {pool.slots})"
        return Plan((self.effect(world, pool, wanted, summary),), _facts(pool))

    def _protects(self, world: World, name: str, parameters: Mapping[str, Any]) -> str:
        """Return what the pool protects, as a reason, or nothing."""
        for one in world.dependencies.values():
            if name in one.pools:
                return f"pool {name} protects {one.name}: it is small on purpose"
        if name in parameters.get("protect", ()):
            return f"pool {name} is small on purpose"
        return ""

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to set the old number again, if the pool has the one that we set."""
        name, old = str(effect.parameters["pool"]), int(effect.before["slots"])
        pool = pool_named(world, name)
        if pool is None:
            return Nothing(f"pool {name} is gone")
        if pool.slots != effect.parameters["slots"]:
            return Nothing(f"pool {name} was set to {pool.slots} by someone else: left alone")
        return Plan((self.effect(world, pool, old, f"give pool {name} its {old} slots again"),))


def _facts(pool: Pool) -> Json:
    return {
        "slots": pool.slots,
        "running": pool.running,
        "queued": pool.queued,
        "scheduled": pool.scheduled,
        "deferred": pool.deferred,
    }
