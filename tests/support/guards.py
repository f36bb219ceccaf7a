"""Facts that every guard lets pass, around the restart of a worker: for tests of single guards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.around import Around
from airwarden.remediation.decide.guards import AlertSight, GuardFacts
from airwarden.remediation.decide.states import Mode
from support.engine import START

RESTART = Effect("worker.restart", "lab/process/w1", {}, {"component": "worker"}, "restart w1")


def facts(around: Around, **changes: Any) -> GuardFacts:
    """Return the facts, with what stands around the target."""
    whole: dict[str, Any] = {
        "now": START,
        "effect": RESTART,
        "danger": Danger.B,
        "undo": False,
        "acted": False,
        "kill": (),
        "mode": Mode.AUTO,
        "approved": False,
        "alerts": AlertSight.ACTIVE,
        "plan_valid_until": START + timedelta(seconds=60),
        "lock_holder": None,
        "in_flight": (),
        "cluster": "lab",
        "exhausted": (),
        "uses": (),
        "others_open": (),
        "lead_left": 9.0,
        "lead_needed": 5.0,
        "around": around,
    }
    return GuardFacts(**{**whole, **changes})
