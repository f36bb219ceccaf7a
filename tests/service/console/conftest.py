"""A console that listens, over a journal in memory where that is possible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.console_stage import Stage, tell
from support.memory_path import folder_in_memory, memory_path

__all__ = ["memory_path"]


@pytest.fixture
def stage(memory_path: Path) -> Iterator[Stage]:
    made = Stage(memory_path)
    made.bench.turn()
    yield made
    made.close()


@pytest.fixture(scope="module")
def told() -> Iterator[Stage]:
    """A console with a morning behind it; whoever changes it takes what others need not."""
    with folder_in_memory() as folder:
        made = Stage(folder)
        tell(made)
        yield made
        made.close()
