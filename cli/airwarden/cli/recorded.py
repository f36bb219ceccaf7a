"""Alerts of the past: from a file, or from what Prometheus kept of its own (`ALERTS`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from airwarden.cli.options import read_text
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.core.settings import Settings

#: Alertmanager writes this for an alert that has not ended.
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
#: What Prometheus keeps of its own alerts.
_FIRING = 'ALERTS{alertstate="firing"}'


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="ignore")

    labels: dict[str, str] = Field(min_length=1)
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(default=None, alias="endsAt")


def of_file(path: Path) -> list[Alert]:
    """Read JSON lines, or one JSON list; several records of one episode are one alert.

    Raises:
        WrongInputError: It is neither, or a record lacks something; the line is named.
    """
    text = read_text(path)
    found: dict[tuple[str, datetime], Alert] = {}
    for place, body in _bodies(path, text):
        try:
            one = _Recorded.model_validate(body)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in fault["loc"]) or "record"
            raise WrongInputError(f"{where}: {fault['msg']}", place=place) from None
        ends = one.ends_at if one.ends_at and one.ends_at > _NEVER else None
        alert = _alert(one.labels, one.starts_at, ends, one.annotations)
        before = found.get((alert.fingerprint, alert.starts_at))
        if before is None or before.ends_at is None or (ends and ends > before.ends_at):
            found[alert.fingerprint, alert.starts_at] = alert
    return list(found.values())


def _bodies(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError as error:
            raise WrongInputError(f"is not JSON: {error}", place=str(path)) from None
        yield from ((f"{path}: {number}", body) for number, body in enumerate(listed))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield f"{path}:{number}", json.loads(line)
            except ValueError as error:
                raise WrongInputError(f"is not JSON: {error}", place=f"{path}:{number}") from None


def of_prometheus(settings: Settings, days: float, step: int) -> list[Alert]:
    """Return the alerts that fired, as the series `ALERTS` tells; they carry no annotations.

    Raises:
        WrongInputError: No Prometheus is configured.
        UnavailableError: It does not answer.
    """
    from airwarden.cli.composition import prometheus_range

    url = settings.prometheus.url
    if url is None:
        raise WrongInputError(
            "is missing, and there is no Prometheus to ask (prometheus.url)", place="HISTORY"
        )
    now = datetime.now(UTC).timestamp()
    count = int(days * 86_400 / step) + 1
    begin = now - (count - 1) * step
    runs: dict[tuple[tuple[str, str], ...], list[tuple[int, int]]] = {}
    source = prometheus_range(settings, url)
    for labels, first, values in source.samples(_FIRING, begin, step, count):
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "alertstate"))
        pieces = runs.setdefault(key, [])
        last = first + len(values) - 1
        if pieces and pieces[-1][1] == first - 1:
            pieces[-1] = (pieces[-1][0], last)
        else:
            pieces.append((first, last))
    return [
        _alert(
            dict(key),
            datetime.fromtimestamp(begin + first * step, UTC),
            # The last sample may be the present: then it has not ended.
            None if last == count - 1 else datetime.fromtimestamp(begin + (last + 1) * step, UTC),
            {},
        )
        for key, pieces in runs.items()
        for first, last in pieces
    ]


def _alert(
    labels: Mapping[str, str],
    starts: datetime,
    ends: datetime | None,
    annotations: Mapping[str, str],
) -> Alert:
    text = json.dumps(sorted(labels.items()))
    return Alert(
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
        status=AlertStatus.FIRING if ends is None else AlertStatus.RESOLVED,
        starts_at=starts.astimezone(UTC),
        labels=dict(labels),
        annotations=dict(annotations),
        ends_at=ends.astimezone(UTC) if ends else None,
    )
