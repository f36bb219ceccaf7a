"""The mode that is in force for a playbook: the lowest of its file and every switch over it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.remediation.decide.correlate import LoadedPlaybook
from airwarden.remediation.decide.states import Mode, effective_mode
from airwarden.remediation.journal.rails import EVERYWHERE, KILL, Switch, kill_scope


def mode_for(loaded: LoadedPlaybook | None, switches: Sequence[Switch], cluster: str) -> Mode:
    """Return the effective mode; `off` where there is no playbook to run."""
    if loaded is None:
        return Mode.OFF
    scopes = (EVERYWHERE, f"playbook/{loaded.playbook.name}")
    over = [
        switch.mode
        for switch in switches
        if switch.scope in scopes and switch.cluster in (EVERYWHERE, cluster)
    ]
    return effective_mode(loaded.mode, *over)


def kill_reasons(switches: Sequence[Switch], cluster: str, playbook: str) -> tuple[str, ...]:
    """Return why a playbook is stopped in a cluster, with all others or alone; empty if it is not."""
    return tuple(
        f"stopped by {switch.set_by}: {switch.reason}"
        for switch in switches
        if switch.scope in (KILL, kill_scope(playbook)) and switch.cluster in (EVERYWHERE, cluster)
    )
