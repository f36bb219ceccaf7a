"""Journals that no test needs to outlive its process lie in memory: a flush to disk costs nothing there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give a folder that is gone afterwards, in memory where that may be written to."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def memory_path() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder
