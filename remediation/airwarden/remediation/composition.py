"""What the remediator is run with: what stays as it was at the start, and what a reload replaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from airwarden.core.ports import Alertmanager, Chat, Pager, Pages, Whispers
from airwarden.core.time_intervals import TellingHours
from airwarden.remediation.auditing import AuditTerms
from airwarden.remediation.console_terms import ConsoleTerms
from airwarden.remediation.decide.calendar import Window
from airwarden.remediation.decide.correlate import PlaybookSet
from airwarden.remediation.decide.notices import ChatComposer, PagerComposer
from airwarden.remediation.leadership import LeaseTimes
from airwarden.remediation.operators import Operators
from airwarden.remediation.outbox import HoursOf
from airwarden.remediation.poll import PollTimes
from airwarden.remediation.retention import RetentionTerms
from airwarden.remediation.world import World

if TYPE_CHECKING:
    from airwarden.remediation.api.server import TlsContext


#: Returns the secrets that count now, more than one during a rotation.
Secrets = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Signing:
    """The secrets that others sign with; None where they are not configured: then the door is not there."""

    pagerduty: Secrets | None = None
    slack: Secrets | None = None


@dataclass(frozen=True, slots=True)
class RemediatorConfig:
    """How the remediator runs; every time in seconds.

    Attributes:
        host: Where it listens.
        port: 0 takes a free one.
        webhook_token: What Alertmanager has to show.
        api_token: What operators have to show.
        kill_switch_file: While it exists nothing is done, and afterwards only `resume` helps.
        stopped_at_start: A reason to set the kill switch at start (from the environment), or empty.
        lease: The lease's times.
        poll: The poll's times.
        turn: Between two turns of the loop, when nothing wakes it earlier.
        alarm_after: A journal gone for so long is paged for directly.
        audit: When the audit is signed off, and where.
        retention: What is kept how long; None keeps everything.
        rate: Requests of one operator a second, over a longer time.
        metrics_open: Whether `/metrics` asks nobody for a token.
        tls: Returns the TLS context for a new connection; None speaks plain HTTP.
    """

    webhook_token: SecretStr
    api_token: SecretStr
    host: str = "127.0.0.1"
    port: int = 9811
    kill_switch_file: Path | None = None
    stopped_at_start: str = ""
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    poll: PollTimes = field(default_factory=PollTimes)
    turn: float = 1.0
    alarm_after: float = 20.0
    audit: AuditTerms = field(default_factory=AuditTerms)
    retention: RetentionTerms | None = None
    rate: float = 100.0
    metrics_open: bool = True
    tls: TlsContext | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """What a reload replaces as a whole.

    Attributes:
        worlds: The clusters' ports by name.
        playbooks: The set in force.
        chat_composer: Makes messages; knows the teams' channels.
        pager_composer: Makes events; knows the teams' keys.
        operators: Those with tokens of their own.
        windows: Maintenance, freezes and quiet hours of the settings.
        alertmanager: None where none is configured: then nothing is polled. One that was configured
            at the start may be replaced, not added.
        pager: None where none is configured.
        chat: None where none is configured.
        chat_hours: When a team wants to hear of warnings.
        pages: Who acknowledged what; None where it cannot be asked.
        whispers: Tells one person in chat; None where that is not possible.
        signing: The secrets of those who sign what they send.
        acknowledged_every: Seconds between two questions to PagerDuty who has the open pages.
        restart_for: Settings that changed and are taken up at the next start only.
        console: How people sign in to the console, and what it shows of the settings.
    """

    worlds: Mapping[str, World]
    playbooks: PlaybookSet
    chat_composer: ChatComposer
    pager_composer: PagerComposer
    operators: Operators = field(default_factory=Operators)
    windows: Sequence[Window] = ()
    alertmanager: Alertmanager | None = None
    pager: Pager | None = None
    chat: Chat | None = None
    chat_hours: HoursOf = lambda _team: TellingHours()
    pages: Pages | None = None
    whispers: Whispers | None = None
    signing: Signing = field(default_factory=Signing)
    acknowledged_every: float = 30.0
    restart_for: tuple[str, ...] = ()
    console: ConsoleTerms = field(default_factory=ConsoleTerms)
