"""Which process may have no heartbeat: the quick answer equals the one by its definition, at any size."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.platform import HostProcess, Job
from airwarden.remediation.components import possibly_silent, without_heartbeat
from support.small_world import NOON, job, process


def by_definition(processes: list[HostProcess], jobs: list[Job]) -> list[HostProcess]:
    """A process can be one without a row if without it one fewer lacks a row."""
    least = len(without_heartbeat(processes, jobs, NOON, 30))
    return [
        one
        for one in processes
        if len(without_heartbeat([p for p in processes if p is not one], jobs, NOON, 30)) < least
    ]


@given(
    st.lists(st.sampled_from([100, 200, 300, 1000]), max_size=6),
    st.lists(st.sampled_from([95, 150, 190, 290, 995]), max_size=6),
)
def test_who_may_be_silent(started: list[int], rows: list[int]) -> None:
    processes = [process(f"p{i}", pid=i, started=at) for i, at in enumerate(started)]
    jobs = [job(i, started=at) for i, at in enumerate(rows)]
    assert possibly_silent(processes, jobs, NOON, 30) == by_definition(processes, jobs)


def test_five_hundred_are_told_apart_in_time() -> None:
    processes = [process(f"p{i}", pid=i) for i in range(500)]
    jobs = [job(i) for i in range(499)]
    begun = time.process_time()
    assert len(possibly_silent(processes, jobs, NOON, 30)) == 500
    assert time.process_time() - begun < 5
