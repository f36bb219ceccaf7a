"""The `Alertmanager` port over its API v2: it reads, and makes silences that a person orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from airwarden.adapters.access import Access, Failover, answered
from airwarden.adapters.bounded import whole
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Silence

_T = TypeVar("_T")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range in UTC") from None


_Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class _AlertStatus(BaseModel):
    silenced_by: tuple[str, ...] | None = Field(default=None, alias="silencedBy")
    inhibited_by: tuple[str, ...] | None = Field(default=None, alias="inhibitedBy")


class _Alert(BaseModel):
    fingerprint: str = Field(min_length=1)
    status: _AlertStatus
    starts_at: _Moment = Field(alias="startsAt")
    labels: dict[str, str] = Field(min_length=1)
    annotations: dict[str, str] | None = None


class _SilenceStatus(BaseModel):
    state: str


class _Matcher(BaseModel):
    name: str
    value: str
    is_regex: bool = Field(alias="isRegex")
    is_equal: bool = Field(default=True, alias="isEqual")


class _Silence(BaseModel):
    id: str
    status: _SilenceStatus
    matchers: tuple[_Matcher, ...]
    starts_at: _Moment = Field(alias="startsAt")
    ends_at: _Moment = Field(alias="endsAt")
    comment: str = ""


class _Receiver(BaseModel):
    name: str


class _Made(BaseModel):
    silence_id: str = Field(min_length=1, alias="silenceID")


_MADE = TypeAdapter(_Made)
_RECEIVERS = TypeAdapter(tuple[_Receiver, ...])
_ALERTS = TypeAdapter(tuple[_Alert, ...])
_SILENCES = TypeAdapter(tuple[_Silence, ...])


class AlertmanagerApi:
    """One Alertmanager, or several of one cluster, of which any knows every alert and silence.

    Args:
        urls: Base URLs.
        access: How to sign in and what to trust.
        timeout: Seconds for one request to one of them, its whole answer included.
        receiver: Alerts that are routed to this receiver only; all of them if empty. What goes to
            people directly, such as Watchdog, is none of the remediator's business.

    Raises:
        OSError: A file of `access` cannot be read, or is no certificate or key.
    """

    def __init__(
        self, *urls: str, access: Access | None = None, timeout: float = 5.0, receiver: str = ""
    ) -> None:
        self._servers = Failover(urls)
        self._access = access or Access()
        self._context = self._access.context()
        self._receiver = re.escape(receiver)
        self._timeout = timeout

    def alerts(self) -> Sequence[Alert]:
        """Return the active alerts, the suppressed ones with `suppressed_by` set.

        Raises:
            UnavailableError: It does not answer, not in time, or not to the end.
            RejectedError: What answers is no Alertmanager, or one item of its list is none.
        """
        query = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
        if self._receiver:
            query["receiver"] = self._receiver
        return [_alert(one) for one in self._get("alerts", query, _ALERTS)]

    def silences(self) -> Sequence[Silence]:
        """Return silences that are active or pending; raises as `alerts` does."""
        every = self._get("silences", {}, _SILENCES)
        return [_silence(one) for one in every if one.status.state in ("active", "pending")]

    def receivers(self) -> Sequence[str]:
        """Return the names of its receivers; raises as `alerts` does."""
        return [one.name for one in self._get("receivers", {}, _RECEIVERS)]

    def add_silence(self, silence: Silence, *, by: str) -> str:
        """Make a silence and return its id; raises as `alerts` does."""
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal}
                for name, value, is_regex, is_equal in silence.matchers
            ],
            "startsAt": silence.starts_at.isoformat(),
            "endsAt": silence.ends_at.isoformat(),
            "createdBy": by,
            "comment": silence.comment,
        }
        return self._servers.ask(
            lambda url: self._ask(url, "silences", _MADE, method="POST", json=body)
        ).silence_id

    def _get(self, what: str, query: Mapping[str, str], shape: TypeAdapter[_T]) -> _T:
        return self._servers.ask(lambda url: self._ask(url, what, shape, params=query))

    def _ask(
        self, url: str, what: str, shape: TypeAdapter[_T], *, method: str = "GET", **sent: Any
    ) -> _T:
        import httpx

        try:
            with answered(
                method,
                f"{url}/api/v2/{what}",
                self._access,
                self._context,
                timeout=self._timeout,
                **sent,
            ) as answer:
                status = answer.status_code
                body = whole(answer.iter_bytes(), within=self._timeout)
        except httpx.HTTPError as error:
            raise UnavailableError(f"Alertmanager at {url}: {error!r}") from None
        except UnavailableError as error:
            raise UnavailableError(f"Alertmanager at {url}: {error}") from None
        if status >= 500 or status == 429:
            raise UnavailableError(f"Alertmanager at {url}: HTTP {status}")
        if status != 200:
            said = " ".join(body[:200].decode("utf-8", "replace").split())
            raise RejectedError(f"Alertmanager at {url}: HTTP {status} {said}".rstrip())
        try:
            return shape.validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "body"
            raise RejectedError(
                f"{url} gave no Alertmanager answer: {place}: {first['msg']}"
            ) from None


def _alert(item: _Alert) -> Alert:
    status = item.status
    return Alert(
        fingerprint=item.fingerprint,
        status=AlertStatus.FIRING,
        starts_at=item.starts_at,
        labels=item.labels,
        annotations=item.annotations or {},
        suppressed_by=(*(status.silenced_by or ()), *(status.inhibited_by or ())),
    )


def _silence(item: _Silence) -> Silence:
    return Silence(
        id=item.id,
        matchers=tuple((m.name, m.value, m.is_regex, m.is_equal) for m in item.matchers),
        starts_at=item.starts_at,
        ends_at=item.ends_at,
        comment=item.comment,
    )
