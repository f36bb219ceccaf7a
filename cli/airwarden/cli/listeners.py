"""What the exporter listens with beside its own port, kept over a reload of the settings.

A changed configuration is composed while the one before still runs, and two sockets cannot have one
address: so a listener lives as long as its settings stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from airwarden.core.errors import AirwardenError
from airwarden.core.settings import Cluster, Statsd

if TYPE_CHECKING:
    from airwarden.adapters.statsd import StatsdListener

_log = structlog.get_logger(__name__)


class Listeners:
    """The StatsD listeners of all clusters, by what their settings say."""

    def __init__(self) -> None:
        self._open: dict[Statsd, StatsdListener] = {}

    def of(self, cluster: Cluster) -> StatsdListener | None:
        """Return the cluster's listener, made if it is new; None where none is configured."""
        wanted = cluster.statsd
        if wanted is None:
            return None
        if wanted not in self._open:
            self._open[wanted] = self._make(wanted)
        try:
            self._open[wanted].open()
        except AirwardenError as error:  # the collector tries again, and says so until it succeeds
            _log.warning("statsd listener", cluster=cluster.name, error=str(error))
        return self._open[wanted]

    def keep(self, clusters: Sequence[Cluster]) -> None:
        """Close the listeners that none of these clusters has."""
        wanted = {cluster.statsd for cluster in clusters}
        for settings in [settings for settings in self._open if settings not in wanted]:
            self._open.pop(settings).close()

    def close(self) -> None:
        """Close all."""
        self.keep(())

    @staticmethod
    def _make(wanted: Statsd) -> StatsdListener:
        from airwarden.adapters.statsd import StatsdListener
        from airwarden.exporters import STATSD_NAMES

        forward = wanted.forward
        return StatsdListener(
            wanted.listen.host,
            wanted.listen.port,
            wanted=STATSD_NAMES,
            prefix=wanted.prefix,
            forward=(forward.host, forward.port) if forward else None,
        )
