"""The kill switch: set by anyone and anything, taken back only by a person with a reason."""

from __future__ import annotations

from pathlib import Path

from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal import audit, rails
from airwarden.remediation.journal.store import Journal, Tx


def file_says(file: Path | None) -> str:
    """Return why the kill switch file stops everything, or nothing; one that cannot be seen does."""
    try:
        if file is None or not file.exists():
            return ""
    except OSError as error:
        return f"whether the kill switch file {file} exists cannot be seen: {error.strerror}"
    return f"the kill switch file {file} exists"


def stop_everything(tx: Tx, *, set_by: str, reason: str, cluster: str = rails.EVERYWHERE) -> None:
    """Set the kill switch and write who did and why; only `let_go` takes it back."""
    stop_playbook(tx, "", set_by=set_by, reason=reason, cluster=cluster)


def stop_playbook(
    tx: Tx, playbook: str, *, set_by: str, reason: str, cluster: str = rails.EVERYWHERE
) -> None:
    """Set the kill switch of one playbook alone; an empty name means all."""
    scope = rails.kill_scope(playbook)
    rails.set_switch(tx, scope=scope, cluster=cluster, mode=Mode.OFF, set_by=set_by, reason=reason)
    _trace(tx, set_by, cluster, playbook, "is stopped", reason)


def let_go(
    tx: Tx, *, by: str, reason: str, cluster: str = rails.EVERYWHERE, playbook: str = ""
) -> bool:
    """Take the kill switch back, with a person's reason; returns whether it was set."""
    if not rails.clear_switch(tx, scope=rails.kill_scope(playbook), cluster=cluster):
        return False
    _trace(tx, by, cluster, playbook, "may act again", reason)
    return True


def latch(journal: Journal, file: Path | None) -> None:
    """Remember a kill switch file: whoever removes it has not armed anything again.

    Raises:
        UnavailableError: The journal does not answer.
    """
    said = file_says(file)
    if not said:
        return
    with journal.read() as tx:
        everything = (rails.KILL, rails.EVERYWHERE)
        if any((one.scope, one.cluster) == everything for one in rails.switches(tx)):
            return
    with journal.write() as tx:
        stop_everything(tx, set_by="file", reason=said)


def _trace(tx: Tx, actor: str, cluster: str, playbook: str, how: str, reason: str) -> None:
    what = f"Playbook {playbook}" if playbook else "Every playbook"
    where = "" if cluster == rails.EVERYWHERE else f" in cluster {cluster}"
    audit.append(
        tx,
        actor=actor,
        action="kill-switch",
        object=f"switch/{cluster}",
        sentence=f"{what}{where} {how}: {reason}.",
    )
