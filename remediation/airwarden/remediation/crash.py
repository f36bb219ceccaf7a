"""Named points at which a test kills or freezes this process: each survived instant is a proven one."""

from __future__ import annotations

import os
import signal

#: Every point there is; a test runs through all of them.
CRASH_POINTS = (
    "mid-migration",
    "mid-group-commit",
    "after-inbox-commit",
    "after-triage",
    "after-plan",
    "after-intent",
    "after-start",
    "after-effect",
    "after-result",
    "before-read-back",
    "before-resolve",
    "after-verify",
    "before-send",
    "after-send",
)

_CRASH, _FREEZE = "AIRWARDEN_CRASH_AT", "AIRWARDEN_FREEZE_AT"


def crash_at(name: str) -> None:
    """Die by SIGKILL, or freeze by SIGSTOP, if the environment names this point; else do nothing."""
    if os.environ.get(_CRASH) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(_FREEZE) == name:
        os.kill(os.getpid(), signal.SIGSTOP)
