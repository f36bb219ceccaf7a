"""What events, tags, assets and the operator's queries report of the cluster; see `reported.py`."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.exporters.families import Family
from airwarden.exporters.reported import ReportedValues


class ReportedCollector:
    """Shows the readings; asks nobody, so it cannot fail.

    Args:
        values: Where they are kept.
    """

    name = "reported"
    interval = 5.0
    timeout = 5.0

    def __init__(self, values: ReportedValues) -> None:
        self._values = values

    def collect(self) -> Sequence[Family]:
        """Return what is shown now."""
        return self._values.families()
