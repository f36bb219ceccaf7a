"""The engine on virtual time with real adapters, whose systems are slow, fail, half-answer and lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from airwarden.adapters.clock import SystemClock
from airwarden.core.errors import AirwardenError
from airwarden.core.ports import Alertmanager
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.base import Check
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.journal.store import Fence
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.poll import Poller
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import World
from support.engine import START, Bench, VirtualClock

T = TypeVar("T")
A = AttemptState
#: States of the attempts, in order: once and confirmed; never begun.
ONCE, NEVER = (A.CONFIRMED,), ()


@dataclass(frozen=True)
class Lie(Generic[T]):
    """One way to fail, and how it has to end.

    Attributes:
        arrange: Puts the faults on the proxy, or whatever a case may spoil.
        attempts: The states of the attempts, in order.
        handed: Why the incident is a person's in the end, who is paged; empty where it is healed.
        seconds: For which it is looked at.
        quick: Tried on every run, not only in `make reliability`.
    """

    name: str
    arrange: Callable[[T], object]
    attempts: tuple[AttemptState, ...] = ONCE
    handed: str = ""
    seconds: float = 240
    quick: bool = False


class _LoopedPoller(Poller):
    """Polls as the remediator's loop does, which goes on after an error of ours, and of ours alone."""

    def poll(self, fence: Fence) -> int:
        try:
            return super().poll(fence)
        except AirwardenError:
            return 0


class LiedTo(Bench):
    """The engine with the shipped actions and checks beside the bench's own.

    Its clock stands at the real time until a test moves it; the world's is the real one.

    Args:
        folder: Where the journal lies.
        book: The only playbook.
        alertmanager: Polled instead of the bench's.
        more_checks: Beside the shipped ones.
        ports: What the world reaches.
    """

    def __init__(
        self,
        folder: Path,
        book: Playbook,
        *,
        alertmanager: Alertmanager | None = None,
        more_checks: Mapping[str, Check] | None = None,
        **ports: Any,
    ) -> None:
        clock = VirtualClock()
        clock.offset = datetime.now(UTC) - START
        super().__init__(f"sqlite:///{folder / 'journal.db'}", books=[book], clock=clock)
        breakers = JournalBreakers(self.journal)
        self.worlds = {"lab": World("lab", SystemClock(), breakers=breakers, **ports)}
        every = {**actions(), **self.parts.actions}
        calls = self.parts.calls
        self.poller = _LoopedPoller(
            self.journal, alertmanager or self.alertmanager, self.writer, calls
        )
        self.parts = replace(
            self.parts,
            actions=every,
            checks={**checks(), **self.parts.checks, **(more_checks or {})},
            poller=self.poller,
        )
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, every, self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)

    def ends_as(self, lie: Lie[Any]) -> None:
        """Fail unless the journal ended as the lie says, and people were told no less and no more."""
        assert [one.state for one in self.attempts()] == list(lie.attempts), self.story()
        if lie.handed:
            assert self.state() is IncidentState.ESCALATED, self.story()
            assert lie.handed in self.incident.reason, self.incident.reason
            assert self.paged(), self.story()
        else:
            assert self.state() is IncidentState.RESOLVED, self.story()
            assert not self.paged(), self.story()
