"""Named points at which a test kills this process, so that each survived instant is a proven one."""

from __future__ import annotations

import os
import signal

#: Every point there is; a test runs through all of them.
CRASH_POINTS = (
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

_VARIABLE = "AIRWARDEN_CRASH_AT"


def crash_at(name: str) -> None:
    """Die by SIGKILL if the environment names this point; does nothing otherwise."""
    if os.environ.get(_VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
