"""cpu, memory, disk and network of this machine, for a platform that lives on it."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path

from airwarden.core.errors import UnavailableError
from airwarden.exporters.families import Family, Labels, foreign_counter, gauge

#: What the machine's interfaces stand for.
COMPONENT = "machine"
#: Interfaces whose bytes stay on the machine, or are counted again on the way out of it.
_INSIDE = ("lo", "veth", "docker", "br-", "virbr", "cni", "cali", "flannel", "tun", "tap", "dummy")
#: Direction → first of its columns in /proc/net/dev: bytes, packets, errors, …
_FIRST_FIELD = {"in": 0, "out": 8}


class MachineCollector:
    """Reads /proc: cpu since the collect before, memory that is not available, network interfaces.

    Args:
        proc: Where /proc is.
        disk: A folder on the file system whose use is told.
    """

    name = "machine"
    interval = 15.0
    timeout = 5.0

    def __init__(self, proc: Path = Path("/proc"), disk: Path = Path("/")) -> None:
        self._proc = proc
        self._disk = disk
        self._before: tuple[int, int] | None = None

    def collect(self) -> Sequence[Family]:
        """Return the shares in use; cpu from the second time on."""
        try:
            busy, total = self._cpu()
            shares: dict[Labels, float] = {
                ("memory",): self._memory(),
                ("disk",): self._disk_use(),
            }
            network = self._network()
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise UnavailableError(f"/proc cannot be read: {error!r}") from None
        if self._before is not None and total > self._before[1]:
            share = (busy - self._before[0]) / (total - self._before[1])
            shares["cpu",] = min(1.0, max(0.0, share))
        self._before = (busy, total)
        return [gauge("airwarden_cluster_utilization_ratio", shares), *network]

    def _cpu(self) -> tuple[int, int]:
        """Return busy and all ticks of all cores; guest time stands in user time already."""
        first = (self._proc / "stat").read_text().split("\n", 1)[0].split()
        user, nice, system, idle, wait, *rest = (int(field) for field in first[1:9])
        total = user + nice + system + idle + wait + sum(rest)
        return total - idle - wait, total

    def _memory(self) -> float:
        rows = (line.split(":", 1) for line in (self._proc / "meminfo").read_text().splitlines())
        values = {name: int(rest.split()[0]) for name, rest in rows}
        return 1.0 - values["MemAvailable"] / values["MemTotal"]

    def _disk_use(self) -> float:
        """Return the share in use, as `df` counts: what only root may fill is not free."""
        disk = os.statvfs(self._disk)
        used = disk.f_blocks - disk.f_bfree
        return used / (used + disk.f_bavail) if used + disk.f_bavail else 0.0

    def _network(self) -> list[Family]:
        """Return bytes and errors of the interfaces that lead out of this machine."""
        moved: Tally[Labels] = Tally({(COMPONENT, direction): 0 for direction in _FIRST_FIELD})
        errors: Tally[Labels] = Tally(dict.fromkeys(moved, 0))
        for line in (self._proc / "net" / "dev").read_text().splitlines()[2:]:
            name, _, rest = line.partition(":")
            if name.strip().startswith(_INSIDE):
                continue
            fields = [int(field) for field in rest.split()]
            for direction, first in _FIRST_FIELD.items():
                moved[COMPONENT, direction] += fields[first]
                errors[COMPONENT, direction] += fields[first + 2]
        return [
            foreign_counter("airwarden_network_bytes_total", moved),
            foreign_counter("airwarden_network_errors_total", errors),
        ]
