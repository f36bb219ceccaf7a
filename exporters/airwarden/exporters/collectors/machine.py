"""cpu and memory of this machine, for a platform that lives on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airwarden.core.errors import UnavailableError
from airwarden.exporters.families import Family, Labels, gauge


class MachineCollector:
    """Reads /proc: cpu since the collect before, memory that is not available.

    Args:
        proc: Where /proc is.
    """

    name = "machine"
    interval = 15.0
    timeout = 5.0

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before: tuple[int, int] | None = None

    def collect(self) -> Sequence[Family]:
        """Return the shares in use; cpu from the second time on."""
        try:
            busy, total = self._cpu()
            shares: dict[Labels, float] = {("memory",): self._memory()}
        except (OSError, ValueError, KeyError) as error:
            raise UnavailableError(f"/proc cannot be read: {error!r}") from None
        if self._before is not None and total > self._before[1]:
            share = (busy - self._before[0]) / (total - self._before[1])
            shares["cpu",] = min(1.0, max(0.0, share))
        self._before = (busy, total)
        return [gauge("airwarden_cluster_utilization_ratio", shares)]

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
