"""`airwarden audit export`: entries as lines, to a stream or a file that is gone on with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from airwarden.adapters.clock import SystemClock
from airwarden.cli.commands._operating import settings_of
from airwarden.cli.remediating import journal_url
from airwarden.core.errors import WrongInputError
from airwarden.remediation.auditing import pages
from airwarden.remediation.decide.chain import Entry, Point, read_line
from airwarden.remediation.journal import checkpoints
from airwarden.remediation.journal.store import Journal, look_into


def export(config: Path, *, after: int | None, output: Path | None) -> None:
    """Write the entries after a number.

    Raises:
        WrongInputError: Those asked for are archived, or do not follow what the file holds.
        UnavailableError: The journal does not answer.
    """
    settings = settings_of(config)
    journal = look_into(journal_url(settings), SystemClock())
    try:
        if output is None:
            begin = _begin(journal, after, settings.remediator.retention.archive_dir)
            for entry in pages(journal, after=begin.seq):
                sys.stdout.write(entry.line() + "\n")
            return
        if output.exists() and after is not None:
            raise WrongInputError(
                "exists: it is gone on with from its last line",
                place=str(output),
                hint="leave --after away, or name another file",
            )
        known = _end_of(output)
        begin = known or _begin(journal, after, settings.remediator.retention.archive_dir)
        _extend(output, _following(journal, begin, known is not None))
    finally:
        journal.close()


def _begin(journal: Journal, after: int | None, folder: Path) -> Point:
    with journal.read() as tx:
        floor = checkpoints.floor(tx)
    if after is None or after == 0:
        if floor.seq:
            typer.echo(f"entries up to {floor.seq} are archived in {folder}", err=True)
        return floor
    if after < floor.seq:
        raise WrongInputError(
            f"entries up to {floor.seq} are not in the journal any more",
            place="--after",
            hint=f"they are archived in {folder}",
        )
    return Point(after, "")


def _following(journal: Journal, begin: Point, must_fit: bool) -> Iterator[Entry]:
    first = True
    for entry in pages(journal, after=begin.seq):
        if first and must_fit and (entry.seq, entry.prev_hash) != (begin.seq + 1, begin.hash):
            raise WrongInputError(
                f"entry {entry.seq} of the journal does not follow the file's last one,"
                f" {begin.seq}: it is another journal's, was changed, or entries between are archived",
                place="--out",
                hint="airwarden audit verify says which",
            )
        first = False
        yield entry


def _end_of(path: Path) -> Point | None:
    """Return the last whole entry of a file, after cutting off a line that was torn."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        size = min(end, 1 << 20)
        stream.seek(end - size)
        tail = stream.read(size)
        whole = tail.rfind(b"\n") + 1
        stream.truncate(end - size + whole)
    lines = tail[:whole].splitlines()
    if not lines:
        return None
    try:
        return read_line(lines[-1].decode("utf-8", "replace")).point
    except WrongInputError as error:
        raise WrongInputError(f"its last line {error.message}", place=str(path)) from None


def _extend(path: Path, entries: Iterator[Entry]) -> None:
    count, last = 0, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            for entry in entries:
                stream.write(entry.line() + "\n")
                count, last = count + 1, entry.seq
    except OSError as error:
        raise WrongInputError(f"cannot be written: {error.strerror}", place=str(path)) from None
    said = f"{count} entries written to {path}, up to {last}" if count else f"{path} is complete"
    typer.echo(said, err=True)
