"""Letting go of what is old: archived first, in small transactions, never in the way of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from airwarden.core.errors import AirwardenError
from airwarden.remediation.auditing import Notary, pages
from airwarden.remediation.decide.chain import Entry, Kind, Point, Walk
from airwarden.remediation.journal import archive, audit, checkpoints, pruning
from airwarden.remediation.journal.store import Fence, Journal, Tx

_log = structlog.get_logger(__name__)

#: Incidents archived at a time, and entries of the audit in one file of the archive.
_INCIDENTS, _ENTRIES = 20, 100_000
#: What is taken out, as the metrics name it.
KINDS = (
    "incident", "incident_row", "audit_entry", "event", "delivery", "notice", "leftover", "page",
)  # fmt: skip
#: Budgets and locks are of no use so long after their time.
_SPENT = timedelta(days=2)
#: Pages of SQLite's file given back in one transaction.
_PAGES = 500


class BrokenChainError(AirwardenError):
    """The audit does not hold: what cannot be proved is neither archived nor taken out."""


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """How long things are kept; see the settings of the same names.

    Attributes:
        archive: The folder that incidents and audit are archived in.
        every: Between two passes.
        batch: Rows of one transaction.
    """

    archive: Path
    incidents: timedelta = timedelta(days=90)
    deliveries: timedelta = timedelta(days=7)
    notices: timedelta = timedelta(days=7)
    every: timedelta = timedelta(hours=1)
    batch: int = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """One step of a pass: what kind of row and how many went."""

    kind: str
    rows: int


class Retention:
    """Prunes the journal.

    Args:
        journal: The journal.
        terms: See `RetentionTerms`.
        notary: Signs off what was archived of the audit.
    """

    def __init__(self, journal: Journal, terms: RetentionTerms, notary: Notary) -> None:
        self._journal = journal
        self.terms = terms
        self._notary = notary

    def sweep(self, fence: Callable[[], Fence]) -> Iterator[Pruned]:
        """Yield after each short transaction until nothing old is left; the caller rests in between.

        Raises:
            FencedError: This process leads no longer.
            UnavailableError: The journal does not answer, or the archive cannot be written.
        """
        with self._journal.read() as tx:
            now = tx.now
        terms = self.terms
        yield from self._incidents(fence, now - terms.incidents)
        yield from self._audit(fence, now - terms.incidents)
        kept, notices, old = now - terms.deliveries, now - terms.notices, now - terms.incidents
        size = terms.batch
        plain: tuple[tuple[str, Callable[[Tx], int]], ...] = (
            ("event", lambda tx: pruning.drop_events(tx, kept, size)),
            ("delivery", lambda tx: pruning.drop_deliveries(tx, kept, old, size)),
            ("notice", lambda tx: pruning.drop_notices(tx, notices, old, size)),
            ("leftover", lambda tx: pruning.drop_leftovers(tx, old, now - _SPENT, size)),
        )
        for kind, drop in plain:
            yield from self._while_full(fence, kind, drop)
        yield from self._give_back(fence)

    def _while_full(
        self, fence: Callable[[], Fence], kind: str, drop: Callable[[Tx], int]
    ) -> Iterator[Pruned]:
        gone = self.terms.batch
        while gone >= self.terms.batch:
            with self._journal.lead(fence()) as tx:
                gone = drop(tx)
            yield Pruned(kind, gone)

    def _incidents(self, fence: Callable[[], Fence], before: datetime) -> Iterator[Pruned]:
        while True:
            with self._journal.read() as tx:
                some = pruning.old_incidents(tx, before, _INCIDENTS)
                month = f"{tx.now:%Y-%m}"
            if not some:
                return
            file = self.terms.archive / f"incidents-{month}.jsonl"
            archive.append_lines(file, self._lines(some))
            gone, ended = self.terms.batch, 0
            while gone >= self.terms.batch:
                with self._journal.lead(fence()) as tx:
                    gone, over = pruning.drop_incidents(tx, some, self.terms.batch)
                ended += over
                yield Pruned("incident_row", gone - over)
            if ended == 0:
                # All of them came back to life in between: the next pass looks again.
                return
            yield Pruned("incident", ended)

    def _lines(self, some: list[tuple[int, int]]) -> Iterator[str]:
        for number, _ in some:
            with self._journal.read() as tx:
                yield from pruning.rows_of(tx, number)

    def _audit(self, fence: Callable[[], Fence], before: datetime) -> Iterator[Pruned]:
        with self._journal.read() as tx:
            begin, old = checkpoints.floor(tx), audit.span(tx, before=before)
        # What was archived and not yet taken out goes first: a crash may have left it.
        yield from self._drop_audit(fence, begin.seq)
        while begin.seq < old:
            end = min(old, begin.seq + _ENTRIES)
            name = f"audit-{begin.seq + 1:012d}-{end:012d}.jsonl"
            walk = Walk(begin)
            digest = archive.write_whole(self.terms.archive / name, self._followed(walk, end))
            if walk.at is None or walk.at.seq != end:
                raise BrokenChainError(f"the audit ends at {walk.at}, it should reach {end}")
            begin = Point(end, walk.at.hash)
            self._notary.sign(fence(), begin, Kind.ARCHIVED, file=name, digest=digest)
            yield from self._drop_audit(fence, end)

    def _followed(self, walk: Walk, end: int) -> Iterator[str]:
        begin = walk.at.seq if walk.at else 0
        for entry in pages(self._journal, after=begin, up_to=end):
            self._check(walk, entry)
            yield entry.line()

    def _check(self, walk: Walk, entry: Entry) -> None:
        for fault in walk.step(entry):
            raise BrokenChainError(f"the audit does not hold and is not archived: {fault}")

    def _drop_audit(self, fence: Callable[[], Fence], up_to: int) -> Iterator[Pruned]:
        if up_to:
            yield from self._while_full(
                fence, "audit_entry", lambda tx: pruning.drop_audit(tx, up_to, self.terms.batch)
            )

    def _give_back(self, fence: Callable[[], Fence]) -> Iterator[Pruned]:
        with self._journal.read() as tx:
            left = pruning.free_pages(tx)
        while left > 0:
            with self._journal.lead(fence()) as tx:
                pruning.give_back(tx, _PAGES)
                now_free = pruning.free_pages(tx)
            if now_free >= left:
                # A file made by an early version: its pages are used again, and never given back.
                return
            yield Pruned("page", left - now_free)
            left = now_free
