"""What the two programs share: their way through start, reload and stop, and the adapters they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from airwarden.cli import composition, lifecycle, logs
from airwarden.cli.composition import ClusterPorts
from airwarden.cli.failures import listening
from airwarden.cli.options import LogFormat, LogLevel, load_settings, located
from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.core.settings import Settings

_log = structlog.get_logger(__name__)


class Program(Protocol):
    """A program of ours, composed and not started yet."""

    def start(self) -> None:
        """Begin to serve; raises OSError where its address cannot be listened on."""
        ...

    def reload(self) -> object:
        """Read the settings again; a refusal is logged and shown as a metric, never raised."""
        ...

    def stop(self) -> None:
        """Stop serving and close what is open."""
        ...


def run(
    config: Path,
    log_format: LogFormat,
    log_level: LogLevel,
    make: Callable[[Callable[[], Settings]], Program],
    *,
    listens_at: str,
) -> None:
    """Run a program until it is asked to stop; SIGHUP reloads it.

    Args:
        config: The settings file.
        log_format: How log lines look.
        log_level: The least important line.
        make: Composes the program, given how the settings are read.
        listens_at: The setting of its address, for the message when it is taken.

    Raises:
        WrongInputError: The settings are wrong, or the address cannot be listened on.
    """
    lifecycle.hold_hangups()
    logs.configure(log_format, log_level)
    with located(config):
        program = make(lambda: load_settings(config))
    try:
        with listening(listens_at):
            program.start()
        lifecycle.wait(reload=program.reload)
    finally:
        program.stop()


def changed(keys: Sequence[str], before: Settings, now: Settings) -> list[str]:
    """Return those of these keys (`exporter.tls`) that have another value than before."""
    return [key for key in keys if _at(before, key) != _at(now, key)]


def _at(settings: object, key: str) -> object:
    for step in key.split("."):
        settings = getattr(settings, step, None)
    return settings


class OpenPorts:
    """The adapters of all clusters, as the settings in force name them.

    Args:
        purpose: What they are for, for the message when there is no cluster: `observe`, `heal`.
        ends_sessions: Whether to open the role that ends sessions, too.
        connections: To each metadata database, for queries at the same time.
    """

    def __init__(
        self, purpose: str, *, ends_sessions: bool, connections: int = composition.FEW
    ) -> None:
        self._purpose = purpose
        self._connections = connections
        self._ends_sessions = ends_sessions
        self._now: Sequence[ClusterPorts] = ()
        self._retired: Sequence[ClusterPorts] = ()

    def renew(self, settings: Settings) -> Sequence[ClusterPorts]:
        """Build and open those of new settings.

        Those that they replace stay open until the next time: a remedy or a collect that began with
        them may still be under way.

        Raises:
            WrongInputError: No cluster is named, or a secret cannot be read; the old ones stay.
        """
        if not settings.clusters:
            raise WrongInputError(
                f"is missing: there is nothing to {self._purpose}",
                place="clusters",
                hint="airwarden init writes one",
            )
        fresh = [
            composition.cluster_ports(cluster, connections=self._connections)
            for cluster in settings.clusters
        ]
        for one in fresh:
            self._open(one)
        composition.close(self._retired)
        self._retired, self._now = self._now, fresh
        return fresh

    def close(self) -> None:
        """Close all of them."""
        composition.close([*self._retired, *self._now])

    def _open(self, ports: ClusterPorts) -> None:
        """Open the databases now: at exhaustion, when they are needed most, a login is refused."""
        enders = [ports.session_ender] if self._ends_sessions else []
        for adapter in (ports.database, *enders):
            if adapter is None:
                continue
            try:
                adapter.open()
            except AirwardenError as error:
                _log.warning("metadata database", cluster=ports.cluster.name, error=str(error))
