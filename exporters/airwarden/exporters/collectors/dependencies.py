"""Whether the external systems that DAGs rely on answer their probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from airwarden.core.ports import Probe
from airwarden.exporters.dependency_states import DependencyStates
from airwarden.exporters.families import Family, Labels, gauge


class DependenciesCollector:
    """Runs all probes at the same time; a probe has its own deadline and never raises."""

    name = "dependencies"
    interval = 5.0
    timeout = 10.0

    def __init__(self, probes: Mapping[str, Probe], states: DependencyStates | None = None) -> None:
        self._probes = dict(sorted(probes.items()))
        self._states = states

    def collect(self) -> Sequence[Family]:
        """Return which of them are up."""
        with ThreadPoolExecutor(max_workers=min(8, len(self._probes))) as pool:
            answers = pool.map(lambda probe: probe.check(), self._probes.values())
            up: dict[Labels, float] = {
                (name,): int(ok) for name, ok in zip(self._probes, answers, strict=True)
            }
        if self._states is not None:
            self._states.note({name: bool(ok) for (name,), ok in up.items()})
        return [gauge("airwarden_dependency_up", up)]
