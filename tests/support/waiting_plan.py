"""An alert whose plan waits for a person: what tests of orders begin with."""

from __future__ import annotations

from typing import Any

from support.engine import alert, webhook
from support.eventually import eventually
from support.remediator import Running


def fire(running: Running, name: str = "one") -> None:
    """Let the machine break, and deliver its alert."""
    running.machine.healthy = False
    one = alert(starts=running.clock.now(), name=name)
    running.alertmanager.shown.append(one)
    assert running.webhook(webhook(one)).status_code == 200


def waiting(running: Running) -> dict[str, Any]:
    """Return what the newest incident asks a person, once it asks."""

    def look() -> dict[str, Any] | None:
        found = running.get("/api/v1/incidents")["incidents"]
        asked: dict[str, Any] | None = found[0]["approval"] if found else None
        return asked

    asked = eventually(look, within=30, what="a plan waits for a person")
    assert asked is not None
    return asked
