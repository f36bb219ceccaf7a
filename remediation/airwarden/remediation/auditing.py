"""The audit as evidence: signed off while it grows, exported, archived, and followed by anyone.

`Notary` is the leader's: it follows what is new and signs its end off. `Examination` follows a journal
or exported lines for a person, and believes neither the journal nor its administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from airwarden.core.errors import WrongInputError
from airwarden.remediation.decide.chain import (
    START,
    Checkpoint,
    Entry,
    Kind,
    Point,
    Walk,
    read_checkpoint,
    read_line,
)
from airwarden.remediation.journal import archive, audit, checkpoints
from airwarden.remediation.journal.store import Fence, Journal

_log = structlog.get_logger(__name__)

#: Faults that are told; a chain that was rewritten has as many as entries.
MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class AuditTerms:
    """When the audit is signed off and where.

    Attributes:
        every, entries: After so long, or so many new entries, whichever is first.
        file: Takes a line for each checkpoint; None for no file.
        key: Signs them; empty for no signature.
    """

    every: timedelta = timedelta(hours=1)
    entries: int = 1000
    file: Path | None = None
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AuditState:
    """How the audit stands: its end, when it was last signed off, and what does not hold."""

    head: int = 0
    signed_off: int = 0
    signed_at: datetime | None = None
    faults: tuple[str, ...] = ()


class Notary:
    """Follows what is new in the audit and signs its end off.

    Args:
        journal: The journal.
        terms: See `AuditTerms`.
    """

    def __init__(self, journal: Journal, terms: AuditTerms) -> None:
        self._journal = journal
        self.terms = terms

    def step(self, fence: Fence, past: tuple[str, ...] = ()) -> AuditState:
        """Sign off if it is time; returns how the audit stands.

        Args:
            fence: The leader's.
            past: What does not hold of what was signed off before: nothing is then any more.

        Raises:
            FencedError, UnavailableError: Nothing was signed off.
        """
        with self._journal.read() as tx:
            head, last, now = audit.head(tx), checkpoints.last(tx), tx.now
        since = last.seq if last else 0
        signed_at = last.at if last else None
        fresh = head.seq - since
        young = signed_at is not None and now - signed_at < self.terms.every
        if fresh == 0 or (young and fresh < self.terms.entries):
            return AuditState(head.seq, since, signed_at, past)
        faults = (
            *past,
            *self._remembered(head),
            *self._follow(last.point if last else START, head),
        )
        if faults:
            _log.error("the audit does not hold, it is not signed off", faults=list(faults))
            return AuditState(head.seq, since, signed_at, faults)
        made = self.sign(fence, head)
        return AuditState(head.seq, made.seq, made.at)

    def sign(
        self,
        fence: Fence,
        point: Point,
        kind: Kind = Kind.VERIFIED,
        *,
        file: str = "",
        digest: str = "",
    ) -> Checkpoint:
        """Make a checkpoint: in the journal, then in the file and the log."""
        with self._journal.lead(fence) as tx:
            unsigned = Checkpoint(point.seq, kind, tx.now, point.hash, file, digest)
            made = Checkpoint(
                point.seq, kind, tx.now, point.hash, file, digest, unsigned.signed(self.terms.key)
            )
            checkpoints.add(tx, made)
        _log.info("audit signed off", seq=made.seq, hash=made.hash, kind=made.kind.value, file=file)
        if self.terms.file is not None:
            archive.append_lines(self.terms.file, [made.line()])
        return made

    def _remembered(self, head: Point) -> Iterator[str]:
        """Compare the journal with the newest checkpoint that lies outside of it."""
        file = self.terms.file
        if file is None or not file.exists():
            return
        outside, _ = read_checkpoints(file)
        if not outside:
            return
        newest = outside[-1]
        with self._journal.read() as tx:
            there = audit.page(tx, after=newest.seq - 1, up_to=newest.seq, limit=1)
            archived = checkpoints.floor(tx).seq >= newest.seq
        if (there and there[0].hash == newest.hash) or archived:
            return
        yield (
            f"entry {newest.seq}, signed off at {newest.at:%Y-%m-%d %H:%M} UTC in {file}, is not in this"
            f" journal, which ends at {head.seq}: it was cut off, rewritten, or begun anew (then move"
            " that file away)"
        )

    def _follow(self, begin: Point, head: Point) -> Iterator[str]:
        walk = Walk(begin)
        found = 0
        for entry in pages(self._journal, after=begin.seq, up_to=head.seq):
            for fault in walk.step(entry):
                found += 1
                if found <= MOST_FAULTS:
                    yield fault
        yield from walk.end(head)


def pages(
    journal: Journal, *, after: int, up_to: int | None = None, size: int = 2000
) -> Iterator[Entry]:
    """Yield entries in order, each page in a short transaction of its own: nobody waits for us."""
    while True:
        with journal.read() as tx:
            some = audit.page(tx, after=after, up_to=up_to, limit=size)
        yield from some
        if len(some) < size:
            return
        after = some[-1].seq


@dataclass(frozen=True, slots=True)
class Verdict:
    """What following the chain showed.

    Attributes:
        first, last: The entries that were followed; 0 for none.
        passed: Checkpoints that it went through.
        faults: What does not hold, in sentences.
        notes: What could not be judged, in sentences.
    """

    first: int
    last: int
    entries: int
    passed: int
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True where nothing was found."""
        return not self.faults


def examine_journal(
    journal: Journal,
    *,
    outside: Sequence[Checkpoint] = (),
    key: str = "",
    folder: Path | None = None,
) -> Verdict:
    """Follow the journal's audit from where it is archived to its head.

    Args:
        journal: Open; nothing is written.
        outside: Checkpoints that were kept outside of it.
        key: The key that checkpoints must be signed with; empty to take them without.
        folder: The archive, to see whether what was taken out lies there unchanged.
    """
    with journal.read() as tx:
        head, begin = audit.head(tx), checkpoints.floor(tx)
        inside = checkpoints.every(tx)
        faults = [f"trigger {name} is missing or off" for name in checkpoints.missing_triggers(tx)]
    marks, disagreeing = _merge([*inside, *outside], key)
    faults += disagreeing
    walk = Walk(begin, {seq: one for seq, one in marks.items() if seq > begin.seq})
    for entry in pages(journal, after=begin.seq, up_to=head.seq):
        faults += walk.step(entry)
        if len(faults) > MOST_FAULTS:
            break
    else:
        faults += walk.end(head)
    missing, notes = _examine_archive(inside, folder)
    faults += missing
    last = walk.at.seq if walk.at and walk.entries else 0
    return Verdict(walk.first, last, walk.entries, walk.passed, _some(faults), tuple(notes))


def examine_lines(
    lines: Iterable[str], *, outside: Sequence[Checkpoint] = (), key: str = ""
) -> Verdict:
    """Follow exported lines; what came before the first of them is taken from a checkpoint, if any."""
    marks, faults = _merge(outside, key)
    walk = Walk(None, marks)
    notes: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = read_line(line)
        except WrongInputError as error:
            faults.append(f"line {number} {error.message}")
            break
        if walk.at is None and entry.seq > 1 and entry.seq - 1 not in marks:
            notes.append(
                f"it begins with entry {entry.seq}: what came before is not here, and no checkpoint"
                " tells of it"
            )
        if walk.at is None and entry.seq == 1 and entry.prev_hash != START.hash:
            faults.append("entry 1 does not begin the chain")
        faults += walk.step(entry)
        if len(faults) > MOST_FAULTS:
            break
    last = walk.at.seq if walk.at and walk.entries else 0
    if any(seq > last for seq in marks):
        notes.append(f"checkpoints up to {max(marks)} are known, the lines end at {last}")
    if not walk.entries:
        faults.append("there is no entry in it")
    return Verdict(walk.first, last, walk.entries, walk.passed, _some(faults), tuple(notes))


def _some(faults: Sequence[str]) -> tuple[str, ...]:
    if len(faults) <= MOST_FAULTS:
        return tuple(faults)
    return (*faults[:MOST_FAULTS], "… and more")


def _merge(found: Iterable[Checkpoint], key: str) -> tuple[Mapping[int, Checkpoint], list[str]]:
    """Return place → checkpoint, and what is wrong with them by themselves."""
    marks: dict[int, Checkpoint] = {}
    faults: list[str] = []
    for one in found:
        if key and one.signature != one.signed(key):
            faults.append(f"the checkpoint at {one.seq} is not signed with the key")
        known = marks.setdefault(one.seq, one)
        if known.hash != one.hash:
            faults.append(f"two checkpoints at {one.seq} name different entries")
    return marks, faults


def _examine_archive(
    found: Iterable[Checkpoint], folder: Path | None
) -> tuple[list[str], list[str]]:
    faults: list[str] = []
    notes: list[str] = []
    for one in found:
        if one.kind is not Kind.ARCHIVED or folder is None:
            continue
        path = folder / one.file
        try:
            if archive.digest_of(path) != one.digest:
                faults.append(f"{path} is not what was archived up to entry {one.seq}")
        except OSError as error:
            notes.append(f"entries up to {one.seq} were archived; {path}: {error.strerror}")
    return faults, notes


def read_checkpoints(path: Path) -> tuple[list[Checkpoint], list[str]]:
    """Read the file of checkpoints; returns them and what could not be read of it.

    Raises:
        WrongInputError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise WrongInputError(f"cannot be read: {error.strerror}", place=str(path)) from None
    found: list[Checkpoint] = []
    notes: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(read_checkpoint(line))
        except WrongInputError as error:
            # A crash tears the line that is being written; the next one stands on its own.
            notes.append(f"{path}:{number} {error.message}")
    return found, notes
