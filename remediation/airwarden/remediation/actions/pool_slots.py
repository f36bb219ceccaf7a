"""A pool's number of slots: read, set to an absolute number once, and read back. Shared by the actions on pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Pool
from airwarden.remediation.actions.base import Effect, ReadBack
from airwarden.remediation.world import Json, World


def pools_of(world: World) -> Sequence[Pool]:
    """Return every pool; raises what the port raises."""
    return world.rest.pools()


def pool_named(world: World, name: str) -> Pool | None:
    """Return the pool of that name, None where there is none; raises what the port raises."""
    return next((pool for pool in pools_of(world) if pool.name == name), None)


class SetsSlots:
    """The part of an action that sets the slots of one pool and reads them back."""

    name: str

    def effect(
        self, world: World, pool: Pool, slots: int, summary: str, **parameters: Any
    ) -> Effect:
        """Return the effect of giving a pool that many slots; more parameters are what its undo needs."""
        return Effect(
            action=self.name,
            target=f"{world.cluster}/pool/{pool.name}",
            parameters={"pool": pool.name, "slots": slots, **parameters},
            before={"slots": pool.slots, "running": pool.running},
            summary=summary,
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Set the slots.

        Raises:
            ConflictError: The pool has other slots than when it was planned.
        """
        name, slots = str(effect.parameters["pool"]), int(effect.parameters["slots"])
        pool = pool_named(world, name)
        if pool is None or pool.slots not in (effect.before["slots"], slots):
            raise ConflictError(f"pool {name} was changed since it was planned for")
        if slots != pool.slots:
            world.rest.set_pool_slots(name, slots)
        return {"slots": slots}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the slots with the desired and the earlier ones."""
        pool = pool_named(world, str(effect.parameters["pool"]))
        if pool is not None and pool.slots == effect.parameters["slots"]:
            return ReadBack.DONE
        if pool is not None and pool.slots == effect.before["slots"]:
            return ReadBack.NOT_DONE
        return ReadBack.UNDECIDABLE
