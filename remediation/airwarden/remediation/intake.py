"""Deliveries of Alertmanager: checked, stored durably, and only then acknowledged.

The webhook's format 4 and the poll's findings become the same thing: a delivery in the inbox. What is
malformed is refused with a sentence that names the field; nothing of it is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import WrongInputError
from airwarden.remediation.journal.inbox import Delivery

#: A real storm of 15,000 alerts in one group is 4.4 MB.
MAX_BODY = 32 * 1024 * 1024
#: The name under which events are kept; the same for webhook and poll, so that each event is one.
DEFAULT_SOURCE = "alertmanager"

_Label = Annotated[str, Field(max_length=4096)]


class _WebhookAlert(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[_Label, _Label] = Field(min_length=1)
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(default=None, alias="endsAt")
    fingerprint: str = Field(min_length=1, max_length=64, pattern=r"^[0-9a-zA-Z]+$")
    suppressed_by: tuple[str, ...] = Field(default=(), alias="suppressedBy")


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["4", "poll"]
    alerts: tuple[_WebhookAlert, ...]
    truncated: int = Field(default=0, ge=0, alias="truncatedAlerts")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A delivery's content.

    Attributes:
        truncated: Alerts that Alertmanager left out: a poll has to find them.
        polled: It was made by our poll, so it tells what is true now.
    """

    alerts: tuple[Alert, ...]
    truncated: int
    polled: bool


def parse(body: bytes) -> Parsed:
    """Read a delivery.

    Raises:
        WrongInputError: Not JSON, not version 4, or a field is missing or wrong; the first three
            faults are named by their place, without repeating any value.
    """
    try:
        webhook = _Webhook.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)[:3]
        ]
        raise WrongInputError("; ".join(faults), place="webhook") from None
    try:
        alerts = tuple(_alert(one) for one in webhook.alerts)
    except OverflowError:
        reason = "alerts: startsAt or endsAt is out of range in UTC"
        raise WrongInputError(reason, place="webhook") from None
    return Parsed(
        alerts=alerts,
        truncated=webhook.truncated,
        polled=webhook.version == "poll",
    )


def webhook_schema() -> dict[str, Any]:
    """Return the JSON schema of what is taken."""
    schema = _Webhook.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    properties = {**schema["properties"], "version": {"const": "4"}}
    alert = schema.pop("$defs")["_WebhookAlert"]
    properties["alerts"] = {"type": "array", "items": alert}
    return {**schema, "properties": properties}


def parse_webhook(body: bytes) -> Parsed:
    """Read what came from outside, where only the webhook's own version is allowed."""
    parsed = parse(body)
    if parsed.polled:
        raise WrongInputError("version: must be '4'", place="webhook")
    return parsed


def delivery(body: bytes, alerts: int, source: str = DEFAULT_SOURCE) -> Delivery:
    """Return a body as the inbox takes it."""
    return Delivery(source, hashlib.sha256(body).hexdigest(), body, alerts)


def poll_delivery(alerts: Sequence[Alert], at: datetime, source: str = DEFAULT_SOURCE) -> Delivery:
    """Return what a poll found as a delivery; `at` makes two polls two deliveries."""
    body = json.dumps(
        {
            "version": "poll",
            "at": at.isoformat(),
            "alerts": [_as_sent(one) for one in alerts],
        }
    ).encode()
    return delivery(body, len(alerts), source)


def _as_sent(one: Alert) -> dict[str, Any]:
    return {
        "status": one.status,
        "labels": dict(one.labels),
        "annotations": dict(one.annotations),
        "startsAt": one.starts_at.isoformat(),
        "endsAt": one.ends_at.isoformat() if one.ends_at else None,
        "fingerprint": one.fingerprint,
        "suppressedBy": list(one.suppressed_by),
    }


def storable(alert: Alert) -> bool:
    """Return whether an inbox would take the alert: what it would not must not spoil a whole delivery."""
    try:
        _WebhookAlert.model_validate(_as_sent(alert))
    except ValidationError:
        return False
    return True


def normalised(alert: Alert) -> Alert:
    """Return the alert with its start in whole milliseconds, and without NUL characters.

    Webhooks carry nanoseconds and the API milliseconds of the same moment: cut to the coarser, both
    ways give the same event. PostgreSQL cannot keep a NUL, and Prometheus lets it into labels.
    """
    return Alert(
        fingerprint=alert.fingerprint,
        status=alert.status,
        starts_at=_milliseconds(alert.starts_at),
        labels=_without_nul(alert.labels),
        annotations=_without_nul(alert.annotations),
        ends_at=_milliseconds(alert.ends_at) if alert.ends_at else None,
        suppressed_by=alert.suppressed_by,
    )


def _alert(one: _WebhookAlert) -> Alert:
    status = AlertStatus(one.status)
    ends_at = one.ends_at if status is AlertStatus.RESOLVED else None
    return normalised(
        Alert(
            fingerprint=one.fingerprint,
            status=status,
            starts_at=one.starts_at,
            labels=one.labels,
            annotations=one.annotations,
            ends_at=ends_at,
            suppressed_by=one.suppressed_by,
        )
    )


def _without_nul(texts: Mapping[str, str]) -> Mapping[str, str]:
    return {name.replace("\0", ""): text.replace("\0", "") for name, text in texts.items()}


def _milliseconds(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
