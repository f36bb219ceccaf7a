"""The last look before a send, inside the ports: whoever may not act any more sends nothing.

Between an effect's record and its call a process can be suspended for any time. Every call of a port
that changes something therefore asks once more, after everything else that could take time (the
breaker's state is read from the journal). What is left is the way through the adapter itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from airwarden.remediation.breakers import within
from airwarden.remediation.world import World

#: Port of a world → its methods that change something.
CHANGES: Mapping[str, frozenset[str]] = {
    "airflow": frozenset(
        {"set_paused", "set_pool_slots", "clear", "trigger", "set_backfill_paused"}
    ),
    "breakers": frozenset({"change"}),
    "commands": frozenset({"run"}),
    "host": frozenset({"restart", "start", "stop"}),
    "kubernetes": frozenset({"evict", "restart", "set_capacity"}),
    "session_ender": frozenset({"end"}),
    "webhooks": frozenset({"call"}),
    "workers": frozenset({"cancel_consumers", "add_consumers", "shut_down"}),
}


def leashed(world: World, permit: Callable[[], None]) -> World:
    """Return the world with `permit` asked right before every call that changes something.

    Args:
        world: The ports.
        permit: Raises where nothing may be sent any more.
    """
    changes: dict[str, Any] = {}
    for port, names in CHANGES.items():
        if world.has(port):
            changes[port] = within(getattr(world, port), partial(_Leashed, names, permit))
    return replace(world, **changes)


class _Leashed:
    """A port whose changing methods ask first."""

    def __init__(self, names: frozenset[str], permit: Callable[[], None], port: object) -> None:
        self._names, self._permit, self._port = names, permit, port

    def __getattr__(self, attribute: str) -> Any:
        method = getattr(self._port, attribute)
        if attribute not in self._names:
            return method

        def asked(*arguments: Any, **keywords: Any) -> Any:
            self._permit()
            return method(*arguments, **keywords)

        return asked
