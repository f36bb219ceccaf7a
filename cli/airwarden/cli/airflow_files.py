"""The files for Airflow's side: the listener as it is, the canary DAGs with what a site chose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path

from airwarden.core.durations import format_duration, parse_duration
from airwarden.core.errors import WrongInputError

LISTENER, CANARY = "airwarden_listener.py", "airwarden_canary.py"
_SHORTEST, _LONGEST = timedelta(seconds=10), timedelta(days=1)
_NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,80}")


def listener() -> str:
    """Return the listener's source."""
    return _source(LISTENER)


def canary(queues: Sequence[str], every: str, pool: str) -> str:
    """Return the canary DAGs' source.

    Args:
        queues: The queues to prove.
        every: The pause between two runs, as `2m`.
        pool: A pool of their own; empty for Airflow's default.

    Raises:
        WrongInputError: A queue or pool that no name can be made of, or an unfit pause.
    """
    for option, names in (("--queue", queues), ("--pool", [pool] if pool else [])):
        for name in names:
            if not _NAME.fullmatch(name):
                raise WrongInputError(
                    f"{name!r} is no name: letters, digits and _ . : - up to 80", place=option
                )
    try:
        pause = parse_duration(every)
    except ValueError as error:
        raise WrongInputError(str(error), place="--every") from None
    if not _SHORTEST <= pause <= _LONGEST:
        raise WrongInputError(f"{every} is not between 10s and 1d", place="--every")
    text = _source(CANARY)
    unique = tuple(dict.fromkeys(queues))
    seconds, words = pause.total_seconds(), format_duration(pause)
    for start, line in (
        ("QUEUES = ", f"QUEUES = {unique!r}"),
        ("EVERY, EVERY_TEXT = ", f"EVERY, EVERY_TEXT = {seconds:g}, {words!r}"),
        ("POOL = ", f"POOL = {pool!r}"),
    ):
        text, made = re.subn(
            rf"^{re.escape(start)}.*$", line.replace("\\", r"\\"), text, flags=re.M
        )
        if made != 1:
            raise AssertionError(f"{CANARY} has {made} lines that begin with {start}")
    return text


def write(text: str, name: str, out: Path, *, force: bool) -> tuple[Path, bool]:
    """Write a file and return where it is, and whether it changed.

    Args:
        text: Its content.
        name: Its name, where `out` is a folder.
        out: A file, or a folder that exists.
        force: Whether one that differs is replaced.

    Raises:
        WrongInputError: It is there with other content, or cannot be written.
    """
    file = out / name if out.is_dir() else out
    try:
        if file.exists():
            if file.read_text(encoding="utf-8") == text:
                return file, False
            if not force:
                raise WrongInputError(
                    f"{file} is there and differs", place="--out", hint="replace it with --force"
                )
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)  # Airflow never reads half a file
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise WrongInputError(f"{file}: {said}", place="--out") from None
    return file, True


def _source(name: str) -> str:
    return (resources.files("airwarden.cli.airflow_side") / name).read_text("utf-8")
