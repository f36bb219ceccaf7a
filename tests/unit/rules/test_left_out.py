"""What is not shipped is said, and what is shipped is not called left out."""

from __future__ import annotations

from airwarden.rules.catalogue import ALERTS
from airwarden.rules.left_out import LEFT_OUT


def test_nothing_that_is_shipped_is_called_left_out() -> None:
    names = {name for absent in LEFT_OUT for name in absent.names}
    assert names
    assert not names & set(ALERTS)
    assert all(absent.reason.endswith(".") and absent.instead for absent in LEFT_OUT)
