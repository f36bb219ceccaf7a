"""The operator's hands: what people may do with incidents and switches, each with a reason and a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airwarden.core.errors import ConflictError, NotFoundError, WrongInputError
from airwarden.remediation import records
from airwarden.remediation.case import Parts
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.ends import resolve_incident
from airwarden.remediation.explain import Explanation, explain
from airwarden.remediation.journal import audit, incidents, rails, runs, windows
from airwarden.remediation.journal.incidents import Incident, Wanted
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.storms import as_endable
from airwarden.remediation.switches import let_go, stop_everything

#: A compare-and-set that lost against the engine is tried again so often.
_TRIES = 5
#: The states in which a person may end an incident.
_PEOPLES = (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED, IncidentState.STORM_HOLD)


class Operations:
    """What the API offers to operators; usable on any replica, leader or not.

    Args:
        parts: The engine's parts.
        wake: Called after a change that the engine should see at once.
    """

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake

    def incidents(self, wanted: Wanted) -> Sequence[IncidentView]:
        """Return incidents, newest first."""
        with self._parts.journal.read() as tx:
            return [records.view(tx, one) for one in incidents.search(tx, wanted)]

    def incident(self, incident_id: int) -> IncidentView:
        """Return one incident; raises NotFoundError."""
        with self._parts.journal.read() as tx:
            return records.view(tx, self._get(tx, incident_id))

    def explain(self, incident_id: int) -> Explanation:
        """Return its story; raises NotFoundError."""
        return explain(self._parts.journal, incident_id)

    def decide(self, incident_id: int, *, decision: str, by: str, reason: str) -> IncidentView:
        """Approve or deny the plan that an incident's run waits with.

        Raises:
            NotFoundError: No such incident.
            ConflictError: Nothing waits for a decision, or it came too late.
        """
        with self._parts.journal.write() as tx:
            one = self._get(tx, incident_id)
            all_runs = runs.of_incident(tx, one.id)
            waiting = rails.open_approval(tx, all_runs[-1].id) if all_runs else None
            if waiting is None:
                raise ConflictError(f"incident {incident_id} waits for no decision")
            if waiting.expires_at <= tx.now:
                raise ConflictError(f"the request expired at {waiting.expires_at:%H:%M:%S} UTC")
            if not rails.decide(tx, waiting, decision=decision, by=by, reason=reason):
                raise ConflictError("somebody decided in the same instant")
            because = f": {reason}" if reason else ""
            sentence = f"{decision.capitalize()} by {by}{because}."
            records.say(tx, one, "approval", sentence, actor=by, plan=waiting.plan_hash)
            runs.look_at(tx, all_runs[-1].id)
        self._wake()
        return self.incident(incident_id)

    def acknowledge(self, incident_id: int, *, by: str, reason: str) -> IncidentView:
        """Take an escalated incident over; raises NotFoundError or ConflictError."""

        def change(tx: Tx, one: Incident) -> None:
            if one.state is IncidentState.STORM_HOLD:
                one = incidents.move(tx, one, IncidentState.ESCALATED)
            if one.state is not IncidentState.ESCALATED:
                raise ConflictError(
                    f"incident {one.id} is {one.state}: only an escalated one, or a storm, is taken"
                )
            because = f": {reason}" if reason else ""
            moved = records.move(
                tx,
                one,
                IncidentState.HUMAN_OWNED,
                f"{by} takes it{because}.",
                actor=by,
                owner=by,
                next_at=tx.now,
            )
            if moved.paged_at is not None:
                records.page(tx, moved, "acknowledge")

        return self._changed(incident_id, change)

    def close(self, incident_id: int, *, by: str, reason: str) -> IncidentView:
        """End an incident that people own, with their reason; its page is resolved."""

        def change(tx: Tx, one: Incident) -> None:
            if one.state not in _PEOPLES:
                raise ConflictError(
                    f"incident {one.id} is {one.state}: the engine is at work on it"
                )
            one = as_endable(tx, one)
            resolve_incident(self._parts, tx, one, f"{by}: {reason}", by_itself=False, actor=by)

        if not reason:
            raise WrongInputError("a reason is required", place="reason")
        return self._changed(incident_id, change)

    def pause(self, *, by: str, reason: str, cluster: str = EVERYWHERE) -> Mapping[str, Any]:
        """Stop every effect at once, until `resume`."""
        self._require(reason, cluster)
        with self._parts.journal.write() as tx:
            stop_everything(tx, set_by=by, reason=reason, cluster=cluster)
        self._wake()
        return self.status()

    def resume(self, *, by: str, reason: str, cluster: str = EVERYWHERE) -> Mapping[str, Any]:
        """Allow effects again; raises ConflictError while the kill switch file is still there."""
        self._require(reason, cluster)
        file = self._parts.kill_switch_file
        if file is not None and file.exists():
            raise ConflictError(f"remove the kill switch file {file} first")
        with self._parts.journal.write() as tx:
            if not let_go(tx, by=by, reason=reason, cluster=cluster):
                raise ConflictError("nothing is stopped")
        self._wake()
        return self.status()

    def start_maintenance(
        self, *, by: str, reason: str, lasts: timedelta, cluster: str = EVERYWHERE
    ) -> Mapping[str, Any]:
        """Open a maintenance window from now on: alerts are taken, nothing is done."""
        self._require(reason, cluster)
        if not timedelta(0) < lasts <= timedelta(days=7):
            raise WrongInputError("must be more than nothing and at most 7 days", place="for")
        with self._parts.journal.write() as tx:
            windows.begin(tx, cluster=cluster, until=tx.now + lasts, by=by, reason=reason)
            self._trace(tx, by, cluster, f"Maintenance for {lasts}: {reason}.")
        return self.status()

    def end_maintenance(self, *, by: str, cluster: str = EVERYWHERE) -> Mapping[str, Any]:
        """End the maintenance windows of a cluster now; raises ConflictError where there is none."""
        with self._parts.journal.write() as tx:
            if not windows.end(tx, cluster=cluster):
                raise ConflictError("there is no maintenance window")
            self._trace(tx, by, cluster, "Maintenance is over.")
        self._wake()
        return self.status()

    def status(self) -> Mapping[str, Any]:
        """Return how the remediator stands: leader, switches, windows, modes."""
        with self._parts.journal.read() as tx:
            switches = [asdict(one) for one in rails.switches(tx)]
            open_windows = [asdict(one) for one in windows.open_now(tx)]
        books = self._parts.playbooks().by_name
        return {
            "leader": self._parts.leadership.leads,
            "clusters": sorted(self._parts.worlds()),
            "switches": switches,
            "maintenance": open_windows,
            "playbooks": {name: one.mode for name, one in sorted(books.items())},
        }

    def _require(self, reason: str, cluster: str) -> None:
        if not reason.strip():
            raise WrongInputError("a reason is required", place="reason")
        if cluster != EVERYWHERE and cluster not in self._parts.worlds():
            raise NotFoundError(f"there is no cluster {cluster!r}")

    def _trace(self, tx: Tx, by: str, cluster: str, sentence: str) -> None:
        audit.append(
            tx, actor=by, action="maintenance", object=f"window/{cluster}", sentence=sentence
        )

    def _get(self, tx: Tx, incident_id: int) -> Incident:
        try:
            return incidents.get(tx, incident_id)
        except KeyError:
            raise NotFoundError(f"there is no incident {incident_id}") from None

    def _changed(self, incident_id: int, change: Callable[[Tx, Incident], None]) -> IncidentView:
        for left in reversed(range(_TRIES)):
            try:
                with self._parts.journal.write() as tx:
                    change(tx, self._get(tx, incident_id))
                break
            except FencedError:
                if left == 0:
                    raise ConflictError(f"incident {incident_id} keeps changing") from None
        self._wake()
        return self.incident(incident_id)
