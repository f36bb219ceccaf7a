"""What the host's supervisor says about each Airflow process, frozen ones included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airwarden.core.platform import ProcessState
from airwarden.core.ports import Host
from airwarden.exporters.families import Family, Labels, gauge

#: Stopped on purpose, or on the way there: neither up nor down.
_ON_PURPOSE = (ProcessState.STOPPED, ProcessState.STOPPING)


class HostCollector:
    """Reads the supervised processes."""

    name = "host"
    interval = 5.0
    timeout = 10.0

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Sequence[Family]:
        """Return state and start of each process.

        A starting process is neither up nor down: it has no `up` until it runs or is given up.
        """
        up: dict[Labels, float] = {}
        started: dict[Labels, float] = {}
        states: Counter[Labels] = Counter()
        for process in self._host.processes():
            labels = (process.component.value, process.name)
            states[process.component.value, process.state.value] += 1
            if process.state is ProcessState.RUNNING:
                up[labels] = 1
            elif process.state.proved_dead:
                up[labels] = 0
            if process.started_at is not None and process.state not in _ON_PURPOSE:
                started[labels] = process.started_at.timestamp()
        return [
            gauge("airwarden_host_process_up", up),
            gauge("airwarden_host_process_start_timestamp_seconds", started),
            gauge("airwarden_host_processes", states),
        ]
