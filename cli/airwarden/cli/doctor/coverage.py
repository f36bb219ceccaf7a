"""What an installation does not measure, and which of its alerts cannot fire for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.outputs import rule_config
from airwarden.core import coverage
from airwarden.core.metrics import CATALOGUE, SECTIONS
from airwarden.core.settings import Settings
from airwarden.rules.catalogue import resolve
from airwarden.rules.needs import alerts_resting_on

_PREFIX = "airwarden_"
_LOST, _PART, _SILENT = "not measured", "measured in part", "cannot fire"
#: Subjects of findings that no grant would change.
ABSENT = frozenset({_LOST, _PART, _SILENT})


def without_database(system: str, settings: Settings) -> Iterator[Finding]:
    """Yield what REST alone does not give, by kind, and the alerts that rest on it."""
    yield Finding(
        system,
        "reach it",
        Outcome.OFF,
        f"not configured: {len(coverage.OVER_REST)} metrics are measured over REST alone, less often",
        "clusters[].metadata_database.dsn_file",
    )
    for heading, names in by_section(coverage.LOST_WITHOUT_DATABASE):
        yield Finding(system, _LOST, Outcome.OFF, f"{heading}: {_listed(names)}")
    for name, what in sorted(coverage.IN_PART_OVER_REST.items()):
        yield Finding(system, _PART, Outcome.OFF, f"{name}: {what}")
    yield from _cannot_fire(system, settings, coverage.LOST_WITHOUT_DATABASE)


def of_release(system: str, settings: Settings, folder: str) -> Iterator[Finding]:
    """Yield what the schema of a release does not give.

    Args:
        system: How findings name this database.
        settings: Of the installation.
        folder: The schema's generation.
    """
    lacking = coverage.LACKING[folder]
    for name, why in sorted(lacking.items()):
        yield Finding(system, _LOST, Outcome.OFF, f"{name}: {why}")
    yield from _cannot_fire(system, settings, wholly_lost(lacking))


def wholly_lost(lacking: Mapping[str, str]) -> frozenset[str]:
    """Return the metrics that are not there at all: a reason that says `only` or `without` tells a part."""
    return frozenset(n for n, why in lacking.items() if " only" not in why and "without" not in why)


def by_section(metrics: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield headings of the reference page with those of its metrics."""
    wanted = set(metrics)
    for heading, entries in SECTIONS.items():
        names = [entry.name for entry in entries if entry.name in wanted]
        if names:
            yield heading, names


def _listed(names: list[str]) -> str:
    return ", ".join(CATALOGUE[name].name.removeprefix(_PREFIX) for name in names)


def _cannot_fire(system: str, settings: Settings, lost: frozenset[str]) -> Iterator[Finding]:
    alerts = alerts_resting_on(resolve(rule_config(settings)), lost) if lost else ()
    if alerts:
        yield Finding(system, _SILENT, Outcome.OFF, ", ".join(alerts))
