from __future__ import annotations

import threading

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.work import left, read_from_replica, work


def test_a_wait_takes_no_longer_than_the_work_has_left() -> None:
    assert left(5.0) == 5.0
    with work(2.0):
        assert 1.0 < left(5.0) <= 2.0
        assert left(0.1) == 0.1
    assert left(5.0) == 5.0
    with work(-0.1), pytest.raises(UnavailableError, match="over"):
        left(5.0)


def test_work_of_one_thread_is_not_another_ones() -> None:
    found: list[float] = []
    with work(1.0):
        other = threading.Thread(target=lambda: found.append(left(5.0)))
        other.start()
        other.join()
    assert found == [5.0]


def test_the_most_backward_source_counts() -> None:
    with work(1.0) as done:
        assert done.lag is None
        for lag in (0.0, 3.0, 1.0):
            read_from_replica(lag)
    assert done.lag == 3.0
