"""The leader's housekeeping: the audit signed off, what is old let go, sizes shown. Never in a hurry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.remediation.audit_patrol import Patrol
from airwarden.remediation.auditing import AuditState, AuditTerms, Notary
from airwarden.remediation.journal import pruning
from airwarden.remediation.journal.store import Fence, FencedError, Journal
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.retention import Pruned, Retention, RetentionTerms

_log = structlog.get_logger(__name__)

#: Seconds between two looks at the audit and the journal's size, and at most between two steps.
LOOK_EVERY, _LONGEST_REST = 30.0, 5.0
#: It rests so many times as long as a step took: work has the journal four fifths of the time.
_REST = 4.0
#: Seconds after a sweep that failed.
_RETRY = 300.0


@dataclass(frozen=True, slots=True)
class UpkeepState:
    """What the metrics show of the housekeeping.

    Attributes:
        audit: How the audit stands.
        size: The journal's size in bytes.
        pruned: Kind → rows taken out by this process.
        swept_at: Unix time at which a sweep last reached its end, 0 before the first.
        trouble: Why the last sweep or look did not, empty where it did.
    """

    audit: AuditState = field(default_factory=AuditState)
    size: int = 0
    pruned: Mapping[str, int] = field(default_factory=dict)
    swept_at: float = 0.0
    trouble: str = ""


class Upkeep:
    """One small piece of housekeeping per `step`; does nothing on a standby.

    Args:
        journal: The journal.
        leadership: Only the leader keeps house.
        clock: Measures how long a step takes.
        terms: When the audit is signed off.
        retention: What is kept how long; None keeps everything.
    """

    def __init__(
        self,
        journal: Journal,
        leadership: Leadership,
        clock: Clock,
        terms: AuditTerms,
        retention: RetentionTerms | None,
    ) -> None:
        self._journal = journal
        self._leadership = leadership
        self._clock = clock
        self._notary = Notary(journal, terms)
        self._patrol = Patrol(journal)
        self._retention = Retention(journal, retention, self._notary) if retention else None
        self._sweep: Iterator[Pruned] | None = None
        self._look_at = 0.0
        self._sweep_at = 0.0
        self._pruned: Counter[str] = Counter()
        self.state = UpkeepState()

    def step(self) -> float:
        """Do what is due, a little of it; returns the seconds after which to call again."""
        if not self._leadership.leads:
            # Another leads now: it begins its own sweep from what the journal holds.
            self._sweep = None
            return 1.0
        begun = self._clock.elapsed()
        try:
            if begun >= self._look_at:
                self._look_at = begun + LOOK_EVERY
                self._look(self._leadership.fence)
            if self._retention is not None and (self._sweep or begun >= self._sweep_at):
                return self._advance(self._retention, begun)
        except FencedError as error:
            _log.debug("housekeeping dropped", reason=str(error))
            self._sweep = None
        except AirwardenError as error:
            _log.warning("housekeeping failed", error=str(error))
            self._sweep, self._sweep_at = None, begun + _RETRY
            self.state = replace(self.state, trouble=str(error))
        return 1.0

    def _look(self, fence: Fence) -> None:
        with self._journal.read() as tx:
            size = pruning.size(tx)
        self.state = replace(self.state, size=size)
        self.state = replace(self.state, audit=self._notary.step(fence, self._patrol.step()))

    def _advance(self, retention: Retention, begun: float) -> float:
        if self._sweep is None:
            self._sweep = retention.sweep(lambda: self._leadership.fence)
        done = next(self._sweep, None)
        if done is None:
            self._sweep = None
            self._sweep_at = begun + retention.terms.every.total_seconds()
            at = self._clock.now().timestamp()
            self.state = replace(self.state, swept_at=at, trouble="")
            return 1.0
        self._pruned[done.kind] += done.rows
        self.state = replace(self.state, pruned=dict(self._pruned))
        took = self._clock.elapsed() - begun
        return min(max(took * _REST, 0.01), _LONGEST_REST)
