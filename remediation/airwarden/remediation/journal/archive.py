"""Files that outlive the journal: archived rows, archived audit, and the audit's checkpoints.

What is written is on disk when a call returns; a line that a crash tore is never continued.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from airwarden.core.errors import UnavailableError


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines to a file that only its owner reads.

    Raises:
        UnavailableError: It cannot be written.
    """
    try:
        _make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            torn = stream.seek(0, os.SEEK_END) > 0 and _last_byte(stream.fileno()) != b"\n"
            if torn:
                stream.write(b"\n")
            for line in lines:
                stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from None


def write_whole(path: Path, lines: Iterable[str]) -> str:
    """Write a file in one step, replacing what a crash may have left; returns its SHA-256.

    Raises:
        UnavailableError: It cannot be written.
    """
    digest = hashlib.sha256()
    fresh = path.with_name(path.name + ".new")
    try:
        _make_folder(path.parent)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            for line in lines:
                raw = line.encode() + b"\n"
                digest.update(raw)
                stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from None
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """Return a file's SHA-256; raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _last_byte(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 1, size - 1)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
