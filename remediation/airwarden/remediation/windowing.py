"""Maintenance, freezes and quiet hours, as people and deployment pipelines begin and end them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airwarden.core.durations import format_duration
from airwarden.core.errors import ConflictError, NotFoundError, WrongInputError
from airwarden.remediation.case import Parts
from airwarden.remediation.decide import calendar
from airwarden.remediation.decide.calendar import EVERYWHERE, Kind, Window
from airwarden.remediation.journal import audit, windows
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.operations import require_known


@dataclass(frozen=True, slots=True)
class Listed:
    """A window as it is shown.

    Attributes:
        id: Its number; 0 for one of the settings, which only they change.
        lasts: `30m`.
        open: Whether it is open now.
        begins: When it is open: since when, else from when on; None where it never is again.
        ends: Until when then.
    """

    id: int
    kind: Kind
    name: str
    cluster: str
    playbooks: tuple[str, ...]
    lasts: str
    repeats: str
    timezone: str
    open: bool
    begins: datetime | None
    ends: datetime | None
    set_by: str
    reason: str


class Windowing:
    """What the API offers about windows; usable on any replica, leader or not.

    Args:
        parts: The engine's parts.
        wake: Called after a change that the engine should see at once.
    """

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake

    def listed(self, *, kind: Kind | None = None) -> Sequence[Listed]:
        """Return the windows that are open or will be, those of the settings first."""
        with self._parts.journal.read() as tx:
            known = [*self._parts.windows(), *windows.standing(tx)]
            shown = [_listed(one, tx.now) for one in known]
        return [
            one for one in shown if one.begins is not None and (kind is None or one.kind is kind)
        ]

    def begin(
        self,
        kind: Kind,
        *,
        by: str,
        lasts: timedelta,
        reason: str = "",
        cluster: str = EVERYWHERE,
        playbooks: Sequence[str] = (),
    ) -> Listed:
        """Open a window from now on; raises WrongInputError or NotFoundError."""
        with self._parts.journal.write() as tx:
            now = tx.now.astimezone(UTC).replace(tzinfo=None)
            one = Window(
                kind=kind,
                starts=now,
                lasts=lasts,
                cluster=cluster,
                playbooks=tuple(playbooks),
                reason=reason.strip(),
                set_by=by,
            )
            return self._keep(tx, one)

    def add(self, one: Window) -> Listed:
        """Keep a window that begins later, or again and again; raises as `begin`."""
        with self._parts.journal.write() as tx:
            listed = self._keep(tx, one)
            if listed.begins is None:
                # Raised inside the transaction: nothing of it is kept.
                raise WrongInputError("this window is over already", place="starts")
            return listed

    def end(self, window_id: int, *, by: str) -> Listed:
        """End a window now, with all its repetitions; raises NotFoundError."""
        if window_id == 0:
            raise ConflictError("a window of the settings is ended there: edit, then reload")
        with self._parts.journal.write() as tx:
            found = [one for one in windows.standing(tx) if one.id == window_id]
            if not found:
                raise NotFoundError(f"there is no window {window_id}: airwarden windows lists them")
            ended = self._end(tx, found, by)[0]
        self._wake()
        return ended

    def end_maintenance(self, *, by: str, cluster: str = EVERYWHERE) -> Sequence[Listed]:
        """End the open maintenance windows of a cluster now.

        Raises:
            ConflictError: There is none.
            NotFoundError: There is no such cluster.
        """
        require_known(self._parts, cluster)
        with self._parts.journal.write() as tx:
            found = [
                one
                for one in windows.standing(tx)
                if one.kind is Kind.MAINTENANCE
                and one.cluster == cluster
                and calendar.open_at(one, tx.now)
            ]
            if not found:
                where = "everywhere" if cluster == EVERYWHERE else f"for cluster {cluster}"
                raise ConflictError(f"no maintenance window is open {where}")
            ended = self._end(tx, found, by)
        self._wake()
        return ended

    def kind_of(self, window_id: int) -> Kind | None:
        """Return what a window of the journal is, None for none."""
        with self._parts.journal.read() as tx:
            return next((one.kind for one in windows.standing(tx) if one.id == window_id), None)

    def _keep(self, tx: Tx, one: Window) -> Listed:
        require_known(self._parts, one.cluster, *one.playbooks)
        calendar.check(one)
        one = replace(one, id=windows.add(tx, one))
        listed = _listed(one, tx.now)
        self._trace(tx, one, one.set_by, f"{_title(one)} begins{_because(one)}.", _facts(listed))
        return listed

    def _end(self, tx: Tx, found: Sequence[Window], by: str) -> list[Listed]:
        for one in found:
            windows.end(tx, one.id)
            self._trace(tx, one, by, f"{_title(one)} is over.", {})
        return [_listed(replace(one, until=tx.now), tx.now) for one in found]

    def _trace(self, tx: Tx, one: Window, by: str, sentence: str, facts: Mapping[str, Any]) -> None:
        audit.append(
            tx,
            actor=by,
            action=one.kind,
            object=f"window/{one.cluster}",
            sentence=sentence,
            after={"window": one.id, **facts},
        )


def _listed(one: Window, now: datetime) -> Listed:
    present = calendar.open_at(one, now)
    shown = present or calendar.following(one, now)
    return Listed(
        id=one.id,
        kind=one.kind,
        name=one.name,
        cluster=one.cluster,
        playbooks=one.playbooks,
        lasts=format_duration(one.lasts),
        repeats=one.rrule,
        timezone=one.tz,
        open=present is not None,
        begins=shown.begins if shown else None,
        ends=shown.ends if shown else None,
        set_by=one.set_by,
        reason=one.reason,
    )


def _title(one: Window) -> str:
    where = "everywhere" if one.cluster == EVERYWHERE else f"in cluster {one.cluster}"
    what = f"{one.kind.capitalize()} {one.id} {where}"
    return f"{what} (playbooks {', '.join(one.playbooks)})" if one.playbooks else what


def _because(one: Window) -> str:
    return f": {one.reason}" if one.reason else ""


def _facts(listed: Listed) -> Mapping[str, Any]:
    return {
        "begins": listed.begins,
        "ends": listed.ends,
        "lasts": listed.lasts,
        "repeats": listed.repeats,
        "timezone": listed.timezone,
    }
