"""Sending what the outbox holds: one thread per channel, each send with a deadline, retried until done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

import structlog

from airwarden.core.alerts import Severity
from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError, RejectedError, UnavailableError
from airwarden.core.ports import Chat, Pager
from airwarden.core.time_intervals import TellingHours
from airwarden.remediation.calls import Calls
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.backoff import jittered
from airwarden.remediation.decide.notices import ChatComposer, PagerComposer
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.journal import outbox
from airwarden.remediation.journal.outbox import Channel, Notice
from airwarden.remediation.journal.store import Fence, Journal, Tx
from airwarden.remediation.notify.slack import thread

_log = structlog.get_logger(__name__)

#: Seconds that one send may take.
SEND_DEADLINE = 15.0
_BASE, _CAP = timedelta(seconds=2), timedelta(minutes=5)
#: A notice that could not be delivered for so long is of no use any more. Long before that, an alert
#: of its own goes out past the remediator.
_DEADLINE = {Channel.CHAT: timedelta(hours=1), Channel.PAGER: timedelta(hours=24)}


class Sender:
    """Delivers the notices of one channel. At least once: PagerDuty knows repetitions by their key.

    Args:
        journal: Holds the outbox.
        channel: Which.
        deliver: Sends one notice, given the reference of the incident's message; returns a new one.
        calls: Give a send its deadline.
        random: For waits between tries.
        opens: From when on a first message may be sent; None for now.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        deliver: Callable[[Notice, IncidentView, str], str],
        calls: Calls,
        random: Random | None = None,
        opens: Callable[[IncidentView, datetime], datetime | None] = lambda _view, _now: None,
    ) -> None:
        self.channel = channel
        self._opens = opens
        self._journal = journal
        self._deliver = deliver
        self._calls = calls
        self._random = random or Random()  # noqa: S311 - jitter

    def step(self, fence: Fence) -> int:
        """Send what is due; returns how many were delivered.

        Raises:
            UnavailableError: The journal does not answer.
        """
        with self._journal.read() as tx:
            waiting = outbox.due(tx, self.channel)
        return sum(self._send(fence, notice) for notice in waiting)

    def _send(self, fence: Fence, notice: Notice) -> bool:
        with self._journal.lead(fence) as tx:
            reference = outbox.chat_ref(tx, notice.incident_id)
            if not reference and not notice.attempts and self._held(tx, notice):
                return False
        crash_at("before-send")
        try:
            view = IncidentView.from_json(notice.body)
            new_reference = self._calls.run(
                lambda: self._deliver(notice, view, reference), deadline=SEND_DEADLINE
            )
        except Exception as error:  # the notice is kept and sent later, whatever went wrong
            self._failed(fence, notice, error)
            return False
        crash_at("after-send")
        with self._journal.lead(fence) as tx:
            outbox.sent(tx, notice, chat_ref=new_reference)
        return True

    def _held(self, tx: Tx, notice: Notice) -> bool:
        """Put off a first message that nobody wants to hear now; one about what is over is dropped."""
        try:
            view = IncidentView.from_json(notice.body)
        except ValueError:
            return False  # sending it tells what is wrong with it
        until = self._opens(view, tx.now)
        if until is None:
            return False
        if view.ended_at is not None:
            outbox.drop(tx, notice)
        else:
            outbox.hold(tx, notice, until)
        return True

    def _failed(self, fence: Fence, notice: Notice, error: Exception) -> None:
        _log.warning(
            "notice not delivered",
            channel=self.channel,
            incident=notice.incident_id,
            kind=notice.kind,
            error=str(error) or type(error).__name__,
        )
        wait = jittered(notice.attempts + 1, _BASE, _CAP, self._random)
        asked = getattr(error, "retry_after", None)
        if asked:
            wait = max(wait, timedelta(seconds=float(asked)))
        with self._journal.lead(fence) as tx:
            old = tx.now - notice.created_at > _DEADLINE[self.channel]
            # A page that is refused is not given up for that: a wrong key can be mended while it waits.
            refused = isinstance(error, RejectedError) and self.channel is Channel.CHAT
            outbox.retry(
                tx,
                notice,
                error=str(error) or type(error).__name__,
                next_at=tx.now + wait,
                give_up=refused or old,
            )


def pager_delivery(
    pager: Pager | None,
    compose: PagerComposer,
    measured: Callable[[IncidentView], IncidentView] = lambda view: view,
) -> Callable[[Notice, IncidentView, str], str]:
    """Return how a pager notice is delivered; its kind begins with the event's action."""

    def deliver(notice: Notice, view: IncidentView, _reference: str) -> str:
        action = notice.kind.split(":")[0]
        event = compose(measured(view) if action == "trigger" else view, action)
        if pager is None or event is None:
            _log.warning("nobody to page", incident=notice.incident_id)
            return ""
        pager.send(event)
        return ""

    return deliver


#: When a team wants to hear of warnings; "" is what belongs to none.
HoursOf = Callable[[str], TellingHours]


def chat_opens(hours_of: HoursOf) -> Callable[[IncidentView, datetime], datetime | None]:
    """Return from when on an incident may be told of first: hours are for warnings that nobody was paged
    for, and that do not wait for a person's yes."""

    def opens(view: IncidentView, now: datetime) -> datetime | None:
        urgent = view.severity is Severity.CRITICAL or view.paged or view.approval is not None
        return None if urgent else hours_of(view.team).opens(now)

    return opens


#: What stands between a message's reference and the moment up to which its thread tells the story.
_TOLD = " told "


def chat_delivery(
    chat: Chat | None,
    compose: ChatComposer,
    measured: Callable[[IncidentView], IncidentView] = lambda view: view,
) -> Callable[[Notice, IncidentView, str], str]:
    """Return how a chat notice is delivered: posted first, updated ever after, its story in its thread."""

    def deliver(_notice: Notice, view: IncidentView, known: str) -> str:
        view = measured(view)
        message = compose(view)
        if chat is None or message is None:
            return ""
        reference, _, told = known.partition(_TOLD)
        if reference:
            chat.update(reference, message)
        else:
            reference = chat.post(message)
        since = datetime.fromisoformat(told) if told else None
        fresh = [one for one in view.timeline if since is None or one.at > since]
        if not fresh:
            return "" if known else reference
        chat.reply(reference, thread(fresh))
        return f"{reference}{_TOLD}{fresh[-1].at.isoformat()}"

    return deliver


class JournalAlarm:
    """Pages past the journal when the journal itself is gone; nothing else pages that way.

    Args:
        pager: PagerDuty, None where none is configured.
        compose: Makes the event, with the default service's key.
        view: Makes the view of what happened, given the error's text.
        clock: For how long it has been gone.
        patience: Seconds of absence before the page (a restart of PostgreSQL takes less).
    """

    def __init__(
        self,
        pager: Pager | None,
        compose: PagerComposer,
        view: Callable[[str], IncidentView],
        clock: Clock,
        calls: Calls,
        patience: float = 20.0,
    ) -> None:
        #: Replaced by a reload.
        self.pager = pager
        self._compose = compose
        self._view = view
        self._clock = clock
        self._calls = calls
        self._patience = patience
        self._since: float | None = None
        self._paged = False

    def gone(self, error: UnavailableError) -> None:
        """Note that the journal did not answer; pages once it has been so for long enough."""
        now = self._clock.elapsed()
        self._since = now if self._since is None else self._since
        if not self._paged and now - self._since >= self._patience:
            self._paged = self._send("trigger", str(error))

    def back(self) -> None:
        """Note that the journal answers; resolves the page."""
        self._since = None
        if self._paged:
            self._paged = not self._send("resolve", "")

    def _send(self, action: str, error: str) -> bool:
        event = self._compose(self._view(error), action)
        pager = self.pager
        if pager is None or event is None:
            _log.error("the journal is gone and there is nobody to page", error=error)
            return True
        try:
            self._calls.run(lambda: pager.send(event), deadline=SEND_DEADLINE)
        except AirwardenError as failure:
            _log.exception("page about the journal not delivered", error=str(failure))
            return False
        return True


def journal_gone(clusters: Sequence[str], now: datetime, error: str) -> IncidentView:
    """Return what is said about a journal that is gone, in place of an incident that nobody can store."""
    return IncidentView(
        incident_id="",
        # Without the process in it: however many replicas say so, it is one page.
        dedup_key="airwarden/journal-unavailable/" + ",".join(clusters)[:200],
        cluster=",".join(clusters),
        playbook="",
        title="Airwarden's journal is unavailable: nothing is healed",
        severity=Severity.CRITICAL,
        state=IncidentState.ESCALATED,
        mode=Mode.OFF,
        opened_at=now,
        updated_at=now,
        reason=error,
        cause="the journal's database",
    )
