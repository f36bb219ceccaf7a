"""`airwarden audit verify`: what following the chain showed, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import typer

from airwarden.adapters.clock import SystemClock
from airwarden.cli.commands._operating import settings_of
from airwarden.cli.options import OutputFormat
from airwarden.cli.printing import present
from airwarden.cli.remediating import audit_terms, journal_url
from airwarden.core.errors import WrongInputError
from airwarden.remediation.auditing import (
    Verdict,
    examine_journal,
    examine_lines,
    read_checkpoints,
)
from airwarden.remediation.decide.chain import Checkpoint
from airwarden.remediation.journal.store import look_into


def verify(config: Path, files: Sequence[Path], given: Path | None, output: OutputFormat) -> bool:
    """Follow the journal's audit or the files', print what was found, return whether it holds.

    Raises:
        WrongInputError: A file cannot be read, or there is no journal.
        UnavailableError: The journal does not answer.
    """
    found = _files(config, files, given) if files else _journal(config, given)
    present({"holds": found.holds, **asdict(found)}, output, lambda: _show(found, files))
    return found.holds


def _show(found: Verdict, files: Sequence[Path]) -> None:
    what = ", ".join(str(path) for path in files) or "the journal"
    span = f"entries {found.first}–{found.last}" if found.entries else "no entries"
    typer.echo(f"{what}: {span} followed, through {found.passed} checkpoint(s)")
    for note in found.notes:
        typer.echo(f"  note: {note}")
    for fault in found.faults:
        typer.echo(f"  broken: {fault}")
    typer.echo("the audit holds" if found.holds else "THE AUDIT DOES NOT HOLD")


def _journal(config: Path, given: Path | None) -> Verdict:
    settings = settings_of(config)
    terms = audit_terms(settings)
    outside, notes = _outside(given or terms.file, needed=given is not None)
    journal = look_into(journal_url(settings), SystemClock())
    try:
        found = examine_journal(
            journal,
            outside=outside,
            key=terms.key,
            folder=settings.remediator.retention.archive_dir,
        )
    finally:
        journal.close()
    return replace(found, notes=(*notes, *found.notes))


def _files(config: Path, files: Sequence[Path], given: Path | None) -> Verdict:
    # Exported files are verified anywhere, also where there is no settings file.
    known, key = given, ""
    if config.exists():
        terms = audit_terms(settings_of(config))
        known, key = given or terms.file, terms.key
    outside, notes = _outside(known, needed=given is not None)
    with ExitStack() as stack:
        found = examine_lines(_lines(files, stack), outside=outside, key=key)
    return replace(found, notes=(*notes, *found.notes))


def _outside(path: Path | None, *, needed: bool) -> tuple[list[Checkpoint], list[str]]:
    if path is None or (not needed and not path.exists()):
        where = f" ({path} is not there)" if path is not None else ""
        return [], [f"no checkpoints from outside the journal{where}: a cut tail may not show"]
    return read_checkpoints(path)


def _lines(files: Sequence[Path], stack: ExitStack) -> Iterator[str]:
    for path in files:
        try:
            yield from stack.enter_context(path.open(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise WrongInputError(f"cannot be read: {error.strerror}", place=str(path)) from None
