"""What unit tests of the remediation share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airwarden.remediation.journal import audit
from support.engine import Bench, Make
from support.memory_path import memory_path

__all__ = ["memory_path"]


@pytest.fixture
def make(memory_path: Path) -> Iterator[Make]:
    """Make benches, each on a journal of its own; all are closed at the end."""
    made: list[Bench] = []

    def build(**options: Any) -> Bench:
        own = f"sqlite:///{memory_path / f'journal{len(made)}.db'}"
        made.append(Bench(options.pop("url", own), **options))
        return made[-1]

    yield build
    for bench in made:
        with bench.journal.read() as tx:
            assert list(audit.broken_links(tx)) == []
        bench.close()


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()
