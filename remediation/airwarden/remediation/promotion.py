"""Modes at run time, and what has to be earned before one is raised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airwarden.core.errors import ConflictError, NotFoundError, WrongInputError
from airwarden.remediation import records
from airwarden.remediation.case import Parts
from airwarden.remediation.decide.correlate import LoadedPlaybook
from airwarden.remediation.decide.promotion import (
    Earned,
    Firing,
    Judgement,
    Tally,
    earned,
)
from airwarden.remediation.decide.states import Mode, RunState
from airwarden.remediation.joining import highest_danger
from airwarden.remediation.journal import audit, incidents, rails, runs, scorecards
from airwarden.remediation.journal.rails import EVERYWHERE, Switch
from airwarden.remediation.journal.store import Fence, Tx
from airwarden.remediation.modes import mode_for, mode_switches
from airwarden.remediation.operations import require_known

#: Modes in which effects are done: they have to be earned.
ACTING = (Mode.APPROVE, Mode.AUTO)
#: Longest that a mode may be lowered for a while: what lasts longer is set to last.
LONGEST = timedelta(days=31)
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class SwitchView:
    """One switch over a playbook: who, why, until when."""

    mode: Mode
    scope: str
    cluster: str
    set_by: str
    reason: str
    set_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """How a playbook stands in one cluster.

    Attributes:
        mode: What is in force.
        settings_mode: What the settings let it do.
        switches: What lowers it.
        tally: What was counted.
        earned: The highest mode that it has earned.
        missing: What it takes for the next one.
        override: Why it acts without having earned that, as the settings or an admin say; else empty.
        firings: The newest that count, where they were asked for.
    """

    playbook: str
    title: str
    cluster: str
    mode: Mode
    settings_mode: Mode
    switches: tuple[SwitchView, ...]
    tally: Tally
    earned: Mode
    missing: tuple[str, ...]
    override: str = ""
    firings: tuple[Firing, ...] = ()


@dataclass(frozen=True, slots=True)
class NewMode:
    """An order to change a mode.

    Attributes:
        playbook: One, or `*` for all.
        mode: None takes the switch back: the settings decide.
        cluster: One, or `*` for all.
        lasts: For a while only; only lowers.
        override: Why it may act before it has earned it.
    """

    playbook: str
    mode: Mode | None
    reason: str
    cluster: str = EVERYWHERE
    lasts: timedelta | None = None
    override: str = ""


class Promotion:
    """What the API offers about modes; usable on any replica, leader or not.

    Args:
        parts: The engine's parts.
        wake: Called after a change that the engine should see at once.
    """

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake
        self._noted: object = None

    def scorecards(
        self, *, playbook: str = "", cluster: str = EVERYWHERE, firings: bool = False
    ) -> Sequence[Scorecard]:
        """Return how playbooks stand, by name and cluster; raises NotFoundError."""
        require_known(self._parts, cluster, playbook)
        with self._parts.journal.read() as tx:
            switches = rails.switches(tx)
            return [
                self._scorecard(tx, loaded, where, switches, firings=firings)
                for loaded, where in self._meant(playbook or EVERYWHERE, cluster)
            ]

    def set_mode(
        self,
        order: NewMode,
        *,
        by: str,
        may_raise: Callable[[], None],
        may_override: Callable[[], None],
    ) -> Sequence[Scorecard]:
        """Set or take back a mode. Lowering needs a reason only; raising has to be earned.

        Args:
            order: What is wanted.
            by: Who orders.
            may_raise: Raises RejectedError where they may not let remedies act again.
            may_override: Raises RejectedError where they may not override what is not earned.

        Raises:
            WrongInputError: No reason, or a raise for a while.
            NotFoundError: No such playbook or cluster.
            ConflictError: The settings do not let it, or it is not earned.
        """
        self._check(order)
        with self._parts.journal.write() as tx:
            before = rails.switches(tx)
            scope = rails.mode_scope(order.playbook, for_a_while=order.lasts is not None)
            meant = self._meant(order.playbook, order.cluster)
            self._apply(tx, order, scope, by)
            after = rails.switches(tx)
            raised = [
                (loaded, where)
                for loaded, where in meant
                if mode_for(loaded, after, where).rank > mode_for(loaded, before, where).rank
            ]
            if raised:
                may_raise()
            unearned = self._unearned(tx, meant, before, after)
            if unearned and not order.override:
                raise ConflictError(
                    f"not earned yet: {'; '.join(unearned)}. An admin may override it with a reason"
                )
            if unearned:
                may_override()
            self._trace(tx, order, by, unearned)
            found = [self._scorecard(tx, loaded, where, after) for loaded, where in meant]
        self._wake()
        return found

    def judge(
        self, incident_id: int, judgement: Judgement, *, by: str, reason: str, reference: str = ""
    ) -> Firing:
        """Keep what a person says of what was done, or in shadow would have been.

        Raises:
            NotFoundError: There is no such incident.
            ConflictError: Nothing was done in it, nor would have been.
        """
        with self._parts.journal.write() as tx:
            try:
                one = incidents.get(tx, incident_id)
            except KeyError:
                raise NotFoundError(f"there is no incident {incident_id}") from None
            counted = [
                run
                for run in runs.of_incident(tx, incident_id)
                if run.state is RunState.SHADOW_DONE or run.first_effect_at is not None
            ]
            if not counted:
                raise ConflictError(
                    f"incident {incident_id} has nothing to judge: no remedy was planned to its end"
                )
            run = counted[-1]
            scorecards.judge(tx, run, judgement, reference)
            because = f": {reason}" if reason else ""
            sentence = f"{by} judges it {judgement}{because}."
            records.say(tx, one, "verdict", sentence, actor=by, run=run.id, reference=reference)
            return scorecards.firing(tx, run)

    def replay(
        self, playbook: str, cluster: str, firings: Sequence[Firing], *, by: str, reference: str
    ) -> int:
        """Count firings of a replay of recorded alerts; returns how many were new."""
        require_known(self._parts, cluster, playbook)
        if cluster == EVERYWHERE:
            raise WrongInputError("is missing: a firing belongs to one", place="cluster")
        loaded = self._parts.playbooks().by_name[playbook]
        danger = highest_danger(self._parts.actions, loaded.playbook)
        kept = 0
        with self._parts.journal.write() as tx:
            for one in firings:
                if one.at > tx.now:
                    raise WrongInputError("lies in the future", place="firings.at")
                about = f"{loaded.playbook.conduct}/{one.at.isoformat()}/{one.would_do}"
                key = f"replay/{playbook}/{hashlib.sha256(about.encode()).hexdigest()[:24]}"
                kept += scorecards.replay(
                    tx, loaded.playbook, danger, cluster, one, key=key, reference=reference
                )
            self._write(
                tx, by, playbook, cluster, f"{kept} replayed firings are counted ({reference})."
            )
        return kept

    def note_overrides(self, fence: Fence) -> None:
        """Write into the audit which playbooks the settings let act before they have earned it.

        Once for each change: the settings are an admin's word, and the word is kept.
        """
        books = self._parts.playbooks()
        if self._noted is books:
            return
        with self._parts.journal.lead(fence) as tx:
            for loaded, where in self._meant(EVERYWHERE, EVERYWHERE):
                self._note(tx, loaded, where)
        self._noted = books

    def _note(self, tx: Tx, loaded: LoadedPlaybook, cluster: str) -> None:
        name = loaded.playbook.name
        found = audit.entries(tx, object=_override_object(name, cluster), newest=1)
        standing = found[-1].sentence if found else ""
        wanted = ""
        if loaded.mode in ACTING:
            has = self._earned(tx, loaded, cluster)
            if loaded.mode.rank > has.mode.rank:
                why = loaded.override_reason or "no reason is given (override_reason)"
                wanted = (
                    f"Playbook {name} may act in cluster {cluster} (mode {loaded.mode}) because the"
                    f" settings say so, without having earned it: {why}."
                )
        if wanted and wanted != standing:
            self._override(tx, name, cluster, wanted)
        elif not wanted and " because the settings say so" in standing:
            said = f"Playbook {name} no longer acts in cluster {cluster} without having earned it."
            self._override(tx, name, cluster, said)

    def _override(self, tx: Tx, name: str, cluster: str, sentence: str) -> None:
        audit.append(
            tx,
            actor=records.ENGINE,
            action="override",
            object=_override_object(name, cluster),
            sentence=sentence,
        )

    def _check(self, order: NewMode) -> None:
        if not order.reason.strip() and not order.override.strip():
            raise WrongInputError("a reason is required", place="reason")
        require_known(
            self._parts, order.cluster, "" if order.playbook == EVERYWHERE else order.playbook
        )
        if order.lasts is not None and not timedelta(0) < order.lasts <= LONGEST:
            raise WrongInputError(
                f"must be more than nothing and at most {LONGEST.days} days", place="for"
            )
        if order.mode is None or order.playbook == EVERYWHERE:
            return
        allowed = self._parts.playbooks().by_name[order.playbook].mode
        if order.mode.rank > allowed.rank:
            raise ConflictError(
                f"the settings let {order.playbook} do no more than {allowed}: raise"
                f" playbooks.{order.playbook}.mode and remediator.mode, then reload"
            )

    def _apply(self, tx: Tx, order: NewMode, scope: str, by: str) -> None:
        if order.mode is None:
            scopes = {rails.mode_scope(order.playbook, for_a_while=one) for one in (False, True)}
            gone = [
                rails.clear_switch(tx, scope=one, cluster=order.cluster) for one in sorted(scopes)
            ]
            if not any(gone):
                raise ConflictError("there is no such switch: airwarden mode shows those there are")
            return
        rails.set_switch(
            tx,
            scope=scope,
            cluster=order.cluster,
            mode=order.mode,
            set_by=by,
            reason=order.reason or order.override,
            until=tx.now + order.lasts if order.lasts else None,
        )
        if order.lasts is None:
            # What is set to last is meant to be in force: nothing that held for a while covers it.
            brief = rails.mode_scope(order.playbook, for_a_while=True)
            rails.clear_switch(tx, scope=brief, cluster=order.cluster)

    def _unearned(
        self,
        tx: Tx,
        meant: Sequence[tuple[LoadedPlaybook, str]],
        before: Sequence[Switch],
        after: Sequence[Switch],
    ) -> list[str]:
        """Return what would act, lastingly, beyond what it did and what it has earned."""
        said: list[str] = []
        for loaded, where in meant:
            new = mode_for(loaded, after, where, lasting=True)
            old = mode_for(loaded, before, where, lasting=True)
            if new.rank <= old.rank or new not in ACTING:
                continue
            has = self._earned(tx, loaded, where)
            if new.rank > has.mode.rank:
                what = ", ".join(has.missing)
                said.append(f"{new} of {loaded.playbook.name} in cluster {where} takes {what}")
        return said

    def _trace(self, tx: Tx, order: NewMode, by: str, unearned: Sequence[str]) -> None:
        where = "everywhere" if order.cluster == EVERYWHERE else f"in cluster {order.cluster}"
        what = "all playbooks" if order.playbook == EVERYWHERE else f"playbook {order.playbook}"
        how = f"is set to {order.mode}" if order.mode else "is what the settings say"
        until = f" until {tx.now + order.lasts:%Y-%m-%d %H:%M:%S} UTC" if order.lasts else ""
        because = f": {order.reason}" if order.reason.strip() else ""
        sentence = f"The mode of {what} {where} {how}{until}{because}."
        if unearned:
            sentence += f" {by} overrides what is not earned: {order.override}."
        self._write(tx, by, order.playbook, order.cluster, sentence, unearned)

    def _write(
        self,
        tx: Tx,
        by: str,
        playbook: str,
        cluster: str,
        sentence: str,
        unearned: Sequence[str] = (),
    ) -> None:
        audit.append(
            tx,
            actor=by,
            action="mode",
            object=f"playbook/{cluster}/{playbook}",
            sentence=sentence,
            after={"unearned": list(unearned)},
        )

    def _meant(self, playbook: str, cluster: str) -> list[tuple[LoadedPlaybook, str]]:
        books = self._parts.playbooks().by_name
        names = sorted(books) if playbook == EVERYWHERE else [playbook]
        places = sorted(self._parts.worlds()) if cluster == EVERYWHERE else [cluster]
        # One without steps does nothing in any mode.
        return [
            (books[name], where) for name in names if books[name].playbook.steps for where in places
        ]

    def _earned(self, tx: Tx, loaded: LoadedPlaybook, cluster: str) -> Earned:
        counted = scorecards.tally(tx, scorecards.versions(tx, loaded.playbook), cluster)
        return earned(counted, loaded.rails, tx.now)

    def _scorecard(
        self,
        tx: Tx,
        loaded: LoadedPlaybook,
        cluster: str,
        switches: Sequence[Switch],
        *,
        firings: bool = False,
    ) -> Scorecard:
        shas = scorecards.versions(tx, loaded.playbook)
        counted = scorecards.tally(tx, shas, cluster)
        has = earned(counted, loaded.rails, tx.now)
        name = loaded.playbook.name
        over = mode_switches(switches, name, cluster)
        mode = mode_for(loaded, switches, cluster)
        return Scorecard(
            playbook=name,
            title=loaded.playbook.title,
            cluster=cluster,
            mode=mode,
            settings_mode=loaded.mode,
            switches=tuple(_shown(one) for one in over),
            tally=counted,
            earned=has.mode,
            missing=has.missing,
            override=_override(loaded, mode, has, over),
            firings=tuple(scorecards.firings(tx, shas, cluster, newest=_SHOWN)) if firings else (),
        )


def _override(loaded: LoadedPlaybook, mode: Mode, has: Earned, over: Sequence[Switch]) -> str:
    if mode not in ACTING or mode.rank <= has.mode.rank:
        return ""
    raised = [one for one in over if one.mode is mode]
    if raised:
        return f"{raised[0].set_by}: {raised[0].reason}"
    return f"the settings: {loaded.override_reason or 'no reason given (override_reason)'}"


def _override_object(name: str, cluster: str) -> str:
    return f"override/{cluster}/{name}"


def _shown(one: Switch) -> SwitchView:
    return SwitchView(
        one.mode, one.scope, one.cluster, one.set_by, one.reason, one.set_at, one.until
    )
