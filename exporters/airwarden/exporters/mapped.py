"""Leaves out what the site's own series give, so that nothing is there twice; see `emitted.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airwarden.exporters.emitted import EMITTED
from airwarden.exporters.families import Family, Labels
from airwarden.exporters.sources import MappedMetric


class LeftOut:
    """What of one cluster is mapped.

    Args:
        mapped: The metrics, or samples of them.
    """

    def __init__(self, mapped: Sequence[MappedMetric]) -> None:
        self._whole = frozenset(one.metric for one in mapped if not one.labels)
        self._parts: dict[str, list[MappedMetric]] = {}
        for one in mapped:
            if one.labels:
                self._parts.setdefault(one.metric, []).append(one)

    def whole(self, collector: str) -> bool:
        """Whether all that a collector gives is mapped, so that it need not run."""
        given = EMITTED.get(collector, frozenset())
        return bool(given) and given <= self._whole

    def rest(self, families: Sequence[Family]) -> Sequence[Family]:
        """Return what is not mapped."""
        if not self._whole and not self._parts:
            return families
        return [
            self._without(family) for family in families if family.metric.name not in self._whole
        ]

    def _without(self, family: Family) -> Family:
        parts = self._parts.get(family.metric.name)
        if parts is None:
            return family
        kept = tuple(
            sample
            for sample in family.samples
            if not any(_matches(family, sample[0], part) for part in parts)
        )
        return replace(family, samples=kept)


def _matches(family: Family, labels: Labels, part: MappedMetric) -> bool:
    values = dict(zip(family.metric.labels, labels, strict=True))
    return all(values[name] == value for name, value in part.labels.items())
