"""What others report to the exporter, kept over a reload of the settings: readings and the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from airwarden.adapters.secrets import read_secret
from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.core.settings import Events, Settings
from airwarden.exporters.door import Door
from airwarden.exporters.reported import ReportedValues

if TYPE_CHECKING:
    from airwarden.adapters.event_memory import SqliteEvents
    from airwarden.exporters.events import EventIntake, Place
    from airwarden.exporters.server import Post

_TOKEN_KEY = "exporter.events.token"  # noqa: S105 - where it is named


class Reporting:
    """The readings of all clusters, and the event endpoint where one is configured.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, ReportedValues] = {}
        self._memory: tuple[Path, SqliteEvents] | None = None
        self._intake: tuple[Events, EventIntake] | None = None

    def renew(self, settings: Settings) -> None:
        """Take new settings.

        Raises:
            WrongInputError: The token cannot be read, or the state file cannot be used.
        """
        wanted = settings.exporter.events
        if wanted is not None:
            read_secret(wanted.token, place=_TOKEN_KEY)
            self._open(wanted)
        elif self._memory is not None:
            self._memory[1].close()
            self._memory = None
        keep = settings.business.keep.total_seconds()
        for cluster in settings.clusters:
            owners: dict[str, frozenset[str]] = {}
            for query in settings.business.queries:
                if settings.cluster_of(query) == cluster.name:
                    owners[query.metric] = owners.get(query.metric, frozenset()) | {query.source}
            values = self._values.setdefault(cluster.name, ReportedValues(self._clock))
            values.configure(keep=keep, owners=owners)
        self._serve(settings)

    def values(self, cluster: str) -> ReportedValues:
        """Return a cluster's readings."""
        return self._values[cluster]

    def posts(self) -> Mapping[str, Post]:
        """Return path → what takes a POST to it; it says so where events are not configured."""
        from airwarden.exporters.events import EVENTS, LINEAGE, EventDoor

        door = EventDoor(lambda: self._intake[1] if self._intake else None)
        return {path: door.post() for path in (EVENTS, LINEAGE)}

    def close(self) -> None:
        """Close the state file."""
        self._intake = None
        if self._memory is not None:
            self._memory[1].close()
            self._memory = None

    def _open(self, wanted: Events) -> None:
        from airwarden.adapters.event_memory import SqliteEvents

        before = self._memory
        if before is not None and before[0] == wanted.state_file:
            return
        try:
            self._memory = (wanted.state_file, SqliteEvents(wanted.state_file))
        except UnavailableError as error:
            raise WrongInputError(
                str(error),
                place="exporter.events.state_file",
                hint="name a file in a folder that the exporter may write",
            ) from None
        self._intake = None
        if before is not None:
            before[1].close()

    def _serve(self, settings: Settings) -> None:
        from airwarden.exporters.events import EventIntake, IntakeLimits

        wanted = settings.exporter.events
        if wanted is None or self._memory is None:
            self._intake = None
            return
        if self._intake is None or self._intake[0] != wanted:
            limits = IntakeLimits(wanted.rate, 10 * wanted.rate)
            reference = wanted.token

            def token() -> str:
                return read_secret(reference, place=_TOKEN_KEY).get_secret_value()

            self._intake = (wanted, EventIntake(Door(token), self._memory[1], self._clock, limits))
        self._intake[1].serve(self._places(settings))

    def _places(self, settings: Settings) -> dict[str, Place]:
        from airwarden.cli.exporting import dag_rules
        from airwarden.exporters.events import Place

        return {
            cluster.name: Place(self._values[cluster.name], dag_rules(settings, cluster))
            for cluster in settings.clusters
        }
