"""The operator's hands: what people may do with incidents and switches, each with a reason and a trace."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airwarden.core.errors import ConflictError, NotFoundError, WrongInputError
from airwarden.core.platform import Acknowledgement
from airwarden.remediation import ownership, records
from airwarden.remediation.case import Parts
from airwarden.remediation.decide import calendar
from airwarden.remediation.decide.calendar import Occurrence
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.ends import resolve_incident
from airwarden.remediation.explain import Explanation, explain
from airwarden.remediation.holding import held_until, lifted
from airwarden.remediation.journal import incidents, lease, rails, runs, windows
from airwarden.remediation.journal.incidents import Incident, Wanted
from airwarden.remediation.journal.rails import EVERYWHERE, Approval, Switch
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.modes import mode_for
from airwarden.remediation.storms import as_endable
from airwarden.remediation.switches import file_says, let_go, stop_playbook

#: A compare-and-set that lost against the engine is tried again so often.
_TRIES = 5
#: How far the clock of another system may be behind ours.
_CLOCKS_APART = timedelta(minutes=1)
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

    def decide(
        self, incident_id: int, *, decision: str, by: str, reason: str, nonce: str | None = None
    ) -> IncidentView:
        """Approve or deny the plan that an incident's run waits with.

        Args:
            incident_id: The incident.
            decision: `approved` or `denied`.
            by: Who.
            reason: Why, for the audit.
            nonce: Names the request that the person was shown; None takes the present one.

        Raises:
            NotFoundError: No such incident.
            ConflictError: Nothing waits for a decision, another plan does, or it came too late.
        """
        with self._parts.journal.write() as tx:
            one = self._get(tx, incident_id)
            if one.state is IncidentState.HUMAN_OWNED:
                raise ConflictError(
                    f"{one.owner} has incident {one.id}: nothing is done, so nothing is approved"
                )
            waiting = self._waiting(tx, one, nonce)
            if waiting.expires_at <= tx.now:
                raise ConflictError(f"the request expired at {waiting.expires_at:%H:%M:%S} UTC")
            if not rails.decide(tx, waiting, decision=decision, by=by, reason=reason):
                raise ConflictError(f"somebody decided in the same instant: {_look(incident_id)}")
            because = f": {reason}" if reason else ""
            sentence = f"{decision.capitalize()} by {by}{because}."
            records.say(tx, one, "approval", sentence, actor=by, plan=waiting.plan_hash)
            runs.look_at(tx, waiting.run_id)
            records.tell(tx, incidents.change(tx, one))
        self._wake()
        return self.incident(incident_id)

    def _waiting(self, tx: Tx, one: Incident, nonce: str | None) -> Approval:
        """Return the request that a decision is about; raises ConflictError, saying what there is."""
        all_runs = runs.of_incident(tx, one.id)
        waiting = rails.pending(tx, all_runs[-1]) if all_runs else None
        if waiting is not None and nonce in (None, waiting.nonce):
            return waiting
        meant = rails.approval_by_nonce(tx, all_runs[-1].id, nonce) if all_runs and nonce else None
        if meant is not None and meant.decision is not None:
            raise ConflictError(
                f"this request is {meant.decision} already, by {meant.decided_by}: it is good for one"
                f" decision; {_look(one.id)}"
            )
        if waiting is None:
            raise ConflictError(f"incident {one.id} waits for no decision: {_look(one.id)}")
        raise ConflictError(f"the plan is another one than you were shown: {_look(one.id)}")

    def acknowledge(self, incident_id: int, *, by: str, reason: str) -> IncidentView:
        """Take an incident over: nothing more is done about it by itself.

        Raises:
            NotFoundError: No such incident.
            ConflictError: It is over, or somebody has it already.
        """
        return self._changed(incident_id, lambda tx, one: _taken(tx, one, by, reason))

    def release(self, incident_id: int, *, by: str, reason: str) -> IncidentView:
        """Give an incident back that a person had taken; raises NotFoundError or ConflictError."""

        def change(tx: Tx, one: Incident) -> None:
            ownership.give_back(self._parts, tx, one, by=by, reason=reason)

        return self._changed(incident_id, change)

    def acknowledged(self, one: Acknowledgement) -> str:
        """Take an incident over because a person acknowledged its page; returns what came of it.

        An acknowledgement that no person made, one that is older than the page or than the moment at
        which the incident was given back, and one of an incident that is over or owned change nothing.
        """
        if not one.person:
            return "no person acknowledged it"
        with self._parts.journal.read() as tx:
            found = incidents.open_by_dedup_key(tx, one.dedup_key)
        if found is None:
            return "no open incident of ours"
        if found.state is IncidentState.HUMAN_OWNED:
            return f"{found.owner} has incident {found.id} already"

        def change(tx: Tx, now: Incident) -> None:
            since = ownership.given_back_at(now) or (now.paged_at or now.opened_at) - _CLOCKS_APART
            if one.at <= since:
                raise ConflictError(f"older than what happened since to incident {now.id}")
            ownership.take(
                tx, now, by=one.who, reason=f"acknowledged in {one.system}", acknowledge=False
            )

        try:
            self._changed(found.id, change)
        except ConflictError as error:
            return str(error)
        return f"{one.who} has incident {found.id}"

    def close(self, incident_id: int, *, by: str, reason: str) -> IncidentView:
        """End an incident that people own, with their reason; its page is resolved.

        One that was left alone because it flaps is so no longer: what it did so far does not count.
        """

        def change(tx: Tx, one: Incident) -> None:
            if one.state not in _PEOPLES:
                raise ConflictError(
                    f"incident {one.id} is {one.state}: only one that people own is closed"
                    " (ESCALATED, HUMAN_OWNED); airwarden pause stops what is under way"
                )
            one = as_endable(tx, one)
            sentence = f"{by}: {reason}"
            if held_until(one, tx.now) is not None:
                one = incidents.change(tx, one, evidence=lifted(one.evidence, tx.now))
                sentence += " (its hold for flapping is lifted: if it fires again, it is treated)"
            resolve_incident(self._parts, tx, one, sentence, by_itself=False, actor=by)

        if not reason:
            raise WrongInputError("a reason is required", place="reason")
        return self._changed(incident_id, change)

    def pause(
        self, *, by: str, reason: str, cluster: str = EVERYWHERE, playbook: str = ""
    ) -> Mapping[str, Any]:
        """Stop every effect at once, until `resume`: of all playbooks, or of one."""
        self._require(reason, cluster, playbook)
        with self._parts.journal.write() as tx:
            stop_playbook(tx, playbook, set_by=by, reason=reason, cluster=cluster)
        self._wake()
        return self.status()

    def resume(
        self, *, by: str, reason: str, cluster: str = EVERYWHERE, playbook: str = ""
    ) -> Mapping[str, Any]:
        """Allow effects again; raises ConflictError while the kill switch file is still there."""
        self._require(reason, cluster)
        said = file_says(self._parts.kill_switch_file)
        if said and not playbook:
            raise ConflictError(f"{said}: remove it first")
        with self._parts.journal.write() as tx:
            if not let_go(tx, by=by, reason=reason, cluster=cluster, playbook=playbook):
                held = [_scope(one) for one in rails.switches(tx) if rails.stops(one.scope)]
                what = "; ".join(held) or "nothing is"
                raise ConflictError(f"that is not stopped; stopped: {what}")
        self._wake()
        return self.status()

    def status(self) -> Mapping[str, Any]:
        """Return how the remediator stands: leader, switches, windows, modes."""
        with self._parts.journal.read() as tx:
            switched = rails.switches(tx)
            held = lease.read(tx)
            led_by = held.holder if held is not None and held.expires_at > tx.now else ""
            flying = runs.in_flight(tx, besides_run=0)
            found = calendar.open_now([*self._parts.windows(), *windows.standing(tx)], tx.now)
        books = sorted(self._parts.playbooks().by_name.items())
        clusters = sorted(self._parts.worlds())
        return {
            "leader": self._parts.leadership.leads,
            "led_by": led_by,
            "clusters": clusters,
            "switches": [asdict(one) for one in switched],
            "kill_switch_file": file_says(self._parts.kill_switch_file),
            "windows": [_window(one) for one in found],
            "in_flight": [{"cluster": where, "target": what} for where, what, _ in flying],
            "playbooks": {name: one.mode for name, one in books},
            "modes": {
                where: {name: mode_for(one, switched, where) for name, one in books}
                for where in clusters
            },
        }

    def _require(self, reason: str, cluster: str, playbook: str = "") -> None:
        if not reason.strip():
            raise WrongInputError("a reason is required", place="reason")
        require_known(self._parts, cluster, playbook)

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


def require_known(parts: Parts, cluster: str, *playbooks: str) -> None:
    """Raise NotFoundError for a cluster or playbook that is not here."""
    clusters, books = parts.worlds(), parts.playbooks().by_name
    if cluster != EVERYWHERE and cluster not in clusters:
        known = ", ".join(sorted(clusters))
        raise NotFoundError(f"there is no cluster {cluster!r}; known: {known}, and * for all")
    for name in playbooks:
        if name and name not in books:
            close = difflib.get_close_matches(name, list(books), n=1)
            hint = f"did you mean {close[0]!r}?" if close else "airwarden mode lists them"
            raise NotFoundError(f"there is no playbook {name!r}: {hint}")


def _taken(tx: Tx, one: Incident, by: str, reason: str) -> None:
    ownership.take(tx, one, by=by, reason=reason)


def _look(incident_id: int) -> str:
    return f"look again with airwarden explain {incident_id}"


def _scope(one: Switch) -> str:
    where = "everywhere" if one.cluster == EVERYWHERE else f"cluster {one.cluster}"
    name = one.scope.partition("/")[2]
    return f"playbook {name} ({where})" if name else f"all playbooks ({where})"


def _window(one: Occurrence) -> dict[str, Any]:
    window = one.window
    return {
        "id": window.id,
        "kind": window.kind,
        "name": window.name,
        "cluster": window.cluster,
        "playbooks": list(window.playbooks),
        "begins": one.begins,
        "ends": one.ends,
        "set_by": window.set_by,
        "reason": window.reason,
    }
