"""The kill switch: set by anyone and anything, taken back only by a person with a reason."""

from __future__ import annotations

from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal import audit, rails
from airwarden.remediation.journal.store import Tx


def stop_everything(
    tx: Tx,
    *,
    set_by: str,
    reason: str,
    cluster: str = rails.EVERYWHERE,
) -> None:
    """Set the kill switch and write who did and why; only `let_go` takes it back."""
    rails.set_switch(
        tx, scope=rails.KILL, cluster=cluster, mode=Mode.OFF, set_by=set_by, reason=reason
    )
    audit.append(
        tx,
        actor=set_by,
        action="kill-switch",
        object=f"switch/{cluster}",
        sentence=f"Everything is stopped: {reason}.",
    )


def let_go(tx: Tx, *, by: str, reason: str, cluster: str = rails.EVERYWHERE) -> bool:
    """Take the kill switch back, with a person's reason; returns whether it was set."""
    if not rails.clear_switch(tx, scope=rails.KILL, cluster=cluster):
        return False
    audit.append(
        tx,
        actor=by,
        action="kill-switch",
        object=f"switch/{cluster}",
        sentence=f"Acting is allowed again: {reason}.",
    )
    return True
