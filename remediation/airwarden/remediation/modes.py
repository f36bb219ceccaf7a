"""The mode that is in force for a playbook: the lowest of its file and every switch over it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.remediation.decide.correlate import LoadedPlaybook
from airwarden.remediation.decide.states import Mode, effective_mode
from airwarden.remediation.journal.rails import EVERYWHERE, KILL, Switch, kill_scope, mode_scope


def mode_for(
    loaded: LoadedPlaybook | None,
    switches: Sequence[Switch],
    cluster: str,
    *,
    lasting: bool = False,
) -> Mode:
    """Return the effective mode; `off` where there is no playbook to run.

    Args:
        loaded: The playbook.
        switches: Those in force.
        cluster: Where.
        lasting: Leave out what holds for a while only.
    """
    if loaded is None:
        return Mode.OFF
    over = mode_switches(switches, loaded.playbook.name, cluster, lasting=lasting)
    return effective_mode(loaded.mode, *(switch.mode for switch in over))


def mode_switches(
    switches: Sequence[Switch], name: str, cluster: str, *, lasting: bool = False
) -> list[Switch]:
    """Return the mode switches that are over a playbook."""
    kinds = (False,) if lasting else (False, True)
    scopes = {mode_scope(one, for_a_while=kind) for one in (EVERYWHERE, name) for kind in kinds}
    return [
        switch
        for switch in switches
        if switch.scope in scopes and switch.cluster in (EVERYWHERE, cluster)
    ]


def kill_reasons(switches: Sequence[Switch], cluster: str, playbook: str = "") -> tuple[str, ...]:
    """Return why a playbook (or all) is stopped in a cluster; empty if it is not."""
    return tuple(
        f"stopped by {switch.set_by}: {switch.reason}"
        for switch in switches
        if switch.scope in (KILL, kill_scope(playbook)) and switch.cluster in (EVERYWHERE, cluster)
    )
