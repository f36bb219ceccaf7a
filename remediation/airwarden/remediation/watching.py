"""A look at every cluster every few seconds: its workers, and the versions that it runs.

The guards read both again before an effect; what is kept here tells of storms and of roll-outs that began
before anybody wanted to act, and outlasts a moment in which the live state cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from airwarden.core.errors import AirwardenError
from airwarden.remediation.case import READ_DEADLINE, Parts
from airwarden.remediation.fleets import read_fleet
from airwarden.remediation.journal import surroundings
from airwarden.remediation.surroundings import SCHEMA, keep_fleet, read_database

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Seconds between two looks; two may fail before a snapshot of the fleet is too old to act on.
EVERY = 12.0
AIRFLOW = "Airflow's version"


class Watch:
    """The leader's regular look around."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def look(self, cluster: str) -> None:
        """Look at one cluster; what does not answer keeps its last state, which grows old.

        Raises:
            FencedError: This process does not lead.
            UnavailableError: The journal does not answer.
        """
        world = self._parts.worlds().get(cluster)
        if world is None:
            return
        fleet = self._read(lambda: read_fleet(world) if world.host else None)
        schema = self._read(lambda: read_database(world)[0])
        airflow = self._read(lambda: world.airflow.version() if world.airflow else None)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if fleet is not None:
                keep_fleet(tx, cluster, fleet)
            for what, value in ((SCHEMA, schema), (AIRFLOW, airflow)):
                if value:
                    surroundings.note_version(tx, cluster=cluster, what=what, value=value)

    def _read(self, ask: Callable[[], T | None]) -> T | None:
        try:
            return self._parts.calls.run(ask, deadline=READ_DEADLINE)
        except AirwardenError as error:
            _log.debug("not seen", error=str(error))
            return None
