"""A console that listens, over a journal in memory where that is possible."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.console_stage import Stage, tell


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    made = Stage(folder)
    made.bench.turn()
    yield made
    made.close()


@pytest.fixture(scope="module")
def told() -> Iterator[Stage]:
    """A console with a morning behind it; whoever changes it takes what others need not."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        made = Stage(Path(name))
        tell(made)
        yield made
        made.close()
