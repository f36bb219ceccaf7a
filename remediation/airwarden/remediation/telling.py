"""Who delivers what the outbox holds: by what is configured at that moment, with who is affected."""

from __future__ import annotations

from collections.abc import Callable

from airwarden.remediation.calls import ThreadedCalls
from airwarden.remediation.composition import Composition
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.impact import Impact
from airwarden.remediation.journal.outbox import Channel, Notice
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.outbox import Sender, chat_delivery, chat_opens, pager_delivery


def senders(journal: Journal, now: Callable[[], Composition]) -> list[Sender]:
    """Return the senders, one a channel.

    Args:
        journal: Holds the outbox.
        now: Returns what is configured now.
    """
    impact = Impact(lambda: now().worlds, ThreadedCalls())

    def page(notice: Notice, view: IncidentView, reference: str) -> str:
        deliver = pager_delivery(now().pager, now().pager_composer, impact.measured)
        return deliver(notice, view, reference)

    def say(notice: Notice, view: IncidentView, reference: str) -> str:
        deliver = chat_delivery(now().chat, now().chat_composer, impact.measured)
        return deliver(notice, view, reference)

    return [
        Sender(journal, Channel.PAGER, page, ThreadedCalls()),
        Sender(
            journal,
            Channel.CHAT,
            say,
            ThreadedCalls(),
            opens=chat_opens(lambda team: now().chat_hours(team)),
        ),
    ]
