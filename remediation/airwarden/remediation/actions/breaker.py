"""`breaker.open` and `breaker.close`: a dependency's breaker, driven by a run's durable steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.world import BreakerState, BreakerStore, Json, Subject, World

#: The breaker that stands for the Celery broker.
BROKER = "broker"


class _BreakerStep:
    """Set the breaker of what the labels name to one state.

    Parameters:
        breaker: Its name; the `dependency` label by default.

    The state is written by compare-and-set and read by everything that would use the dependency.
    """

    name: str
    danger = Danger.A
    needs = frozenset({"breakers"})
    deadline = 5.0
    decidable = True
    undecidable: tuple[str, ...] = ()
    _state: BreakerState

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Read the breaker, and plan the change if it is needed."""
        name = str(parameters.get("breaker") or subject.labels.get("dependency", ""))
        if not name:
            return Refused("the alert names no dependency", cause="unknown dependency")
        key = f"{world.cluster}/{name}"
        seen = _store(world).load(key)
        if seen.state is self._state:
            return Nothing(f"breaker {name} is {self._state.value} already")
        return Plan((self._effect(key, self._state, seen.state),))

    def _effect(self, key: str, wanted: BreakerState, before: BreakerState) -> Effect:
        cluster, _, name = key.partition("/")
        verb = "open" if wanted is BreakerState.OPEN else "close"
        return Effect(
            action=self.name,
            target=f"{cluster}/breaker/{name}",
            parameters={"breaker": key, "state": wanted.value},
            before={"state": before.value},
            summary=f"{verb} breaker {name}",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Write the state.

        Raises:
            ConflictError: Another replica wrote first.
        """
        store, wanted = _store(world), BreakerState(effect.parameters["state"])
        seen = store.load(str(effect.parameters["breaker"]))
        if seen.state is not wanted and not store.change(
            seen, state=wanted, reopened=wanted is BreakerState.OPEN
        ):
            raise ConflictError(f"breaker {seen.name} was changed at the same time")
        return {"state": wanted.value}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the state with the desired one."""
        seen = _store(world).load(str(effect.parameters["breaker"]))
        same = seen.state.value == effect.parameters["state"]
        return ReadBack.DONE if same else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that what is closed stays closed; for what was opened see `breaker.open`."""
        del world, effect
        return Nothing("a closed breaker has no way back")


class BreakerOpen(_BreakerStep):
    """`breaker.open`: nothing of ours asks the dependency for more than a canary."""

    name = "breaker.open"
    _state = BreakerState.OPEN

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to close it, if it is not closed yet."""
        key = str(effect.parameters["breaker"])
        seen = _store(world).load(key)
        if seen.state is BreakerState.CLOSED:
            return Nothing("the breaker is closed already")
        return Plan((self._effect(key, BreakerState.CLOSED, seen.state),))


class BreakerClose(_BreakerStep):
    """`breaker.close`: the dependency has answered, its canary has succeeded."""

    name = "breaker.close"
    _state = BreakerState.CLOSED


def is_open(world: World, name: str) -> bool:
    """Return whether the cluster's breaker of that name holds work back; False without a journal."""
    if world.breakers is None or not name:
        return False
    return world.breakers.load(f"{world.cluster}/{name}").state is BreakerState.OPEN


def _store(world: World) -> BreakerStore:
    if world.breakers is None:
        raise UnavailableError("no journal holds the breakers")
    return world.breakers
