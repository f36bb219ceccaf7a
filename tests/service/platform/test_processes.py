"""Ending processes of the platform, also where nobody collects them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from localplatform import processes

#: Starts a child, says its id, and never collects it, as the first process of many a container.
CARELESS = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def orphan() -> Iterator[psutil.Process]:
    with subprocess.Popen(
        [sys.executable, "-c", CARELESS], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        yield child
        parent.kill()


def test_what_ended_and_is_not_collected_counts_as_ended(orphan: psutil.Process) -> None:
    assert processes.end([orphan], seconds=10) == []
    assert orphan.status() == psutil.STATUS_ZOMBIE
