"""Settings that are valid and yet cannot be meant, or cannot work here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airwarden.cli.checks.finding import Finding, Level
from airwarden.core.settings import Mode, SecretRef, Settings
from airwarden.core.settings.base import Section

#: Above this, a utilization alert sits inside the range that scaling keeps.
_PERCENT = 100


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what stands out."""
    yield from _secrets(settings)
    yield from _teams(settings)
    yield from _acting(settings)


@dataclass(frozen=True, slots=True)
class _Placed:
    place: str
    reference: SecretRef


def references(section: Any, place: str = "") -> Iterator[_Placed]:
    """Yield every secret that a section names, with its key."""
    if isinstance(section, SecretRef):
        yield _Placed(place, section)
    elif isinstance(section, Section):
        for name in type(section).model_fields:
            yield from references(getattr(section, name), f"{place}.{name}" if place else name)
    elif isinstance(section, tuple):
        for index, item in enumerate(section):
            yield from references(item, f"{place}[{index}]")
    elif isinstance(section, dict):
        for name, item in section.items():
            yield from references(item, f"{place}.{name}")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for placed in references(settings):
        file = placed.reference.file
        if file is None:
            continue
        place = f"{placed.place}_file"
        try:
            mode = file.stat().st_mode
        except OSError as error:
            reason = error.strerror or "cannot be read"
            yield Finding(place, Level.WARNING, f"{file}: {reason}", "Airwarden will not start so")
            continue
        if mode & 0o077:
            yield Finding(
                place,
                Level.WARNING,
                f"{file} can be read by others (mode {mode & 0o777:04o})",
                f"chmod 600 {file}",
            )


def _teams(settings: Settings) -> Iterator[Finding]:
    for at, cluster in enumerate(settings.clusters):
        for position, rule in enumerate(cluster.match):
            if rule.team is not None and rule.team not in settings.teams:
                yield Finding(
                    f"clusters[{at}].match[{position}].team",
                    Level.WARNING,
                    f"team {rule.team!r} is not declared: its alerts go to the default channel",
                    "declare it under teams",
                )


def _acting(settings: Settings) -> Iterator[Finding]:
    may_act = settings.remediator.mode in (Mode.APPROVE, Mode.AUTO)
    for name, wanted in settings.playbooks.items():
        if wanted.mode in (Mode.APPROVE, Mode.AUTO) and not may_act:
            yield Finding(
                f"playbooks.{name}.mode",
                Level.WARNING,
                f"{wanted.mode.value} has no effect: remediator.mode is"
                f" {settings.remediator.mode.value}, and the lowest wins",
                "raise remediator.mode too",
            )
    yield from _groups(settings)
    if may_act and settings.remediator.kill_switch_file is None:
        yield Finding(
            "remediator.kill_switch_file",
            Level.INFO,
            "not set: only the API and the command line can stop all remedies",
        )


def _groups(settings: Settings) -> Iterator[Finding]:
    people = [one for one in settings.remediator.operators.values() if one.person]
    known = {group for one in people for group in one.groups}
    for key in ("approvers", "admins"):
        wanted: tuple[str, ...] = getattr(settings.remediator, key)
        if wanted and not known & set(wanted):
            yield Finding(
                f"remediator.{key}",
                Level.WARNING,
                f"no person is in {' or '.join(wanted)}: nobody can do what takes that group",
                "give somebody under remediator.operators one of these groups",
            )
