"""Whether people can be told, and can answer: Slack and PagerDuty. Nothing is sent to anybody."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from airwarden.adapters.secrets import read_secret
from airwarden.cli import remediating
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.doctor.systems import attempt, readable
from airwarden.core.errors import AirwardenError
from airwarden.core.settings import SecretRef, Settings
from airwarden.core.settings.alerting import PagerDuty, Slack

#: A key that no page has: asking for it shows whether the API key lets us ask.
_NOBODYS = "airwarden-doctor"


def probe_notifications(settings: Settings) -> Iterator[Finding]:
    """Yield what each token is good for, by calls that change nothing."""
    slack, pagerduty = settings.notifications.slack, settings.notifications.pagerduty
    if slack is None:
        yield Finding("slack", "address", Outcome.OFF, "not configured", "notifications.slack")
    else:
        yield from _slack(settings, slack)
    if pagerduty is None:
        yield _no_pager()
    else:
        yield from _pagerduty(settings, pagerduty)


def _slack(settings: Settings, slack: Slack) -> Iterator[Finding]:
    if (token := slack.token) is not None:
        yield attempt(
            "slack",
            "token",
            lambda: _signed_in(_call(settings, slack, token, "token", "auth.test")),
            "check the bot's token",
        )
    if (app_token := slack.app_token) is not None:
        # It only hands out the address of a connection; none is opened.
        yield attempt(
            "slack",
            "app token",
            lambda: _may_connect(
                _call(settings, slack, app_token, "app_token", "apps.connections.open")
            ),
            "it has to be an app-level token (xapp-…) with the scope connections:write",
        )


def _signed_in(answer: dict[str, object]) -> str:
    return f"signed in as {answer.get('user', 'a bot')} of {answer.get('team', 'a workspace')}"


def _may_connect(answer: dict[str, object]) -> str:
    if not answer.get("url"):
        raise AirwardenError("Slack names no address to connect to")
    return "may connect by Socket Mode: buttons are heard"


def _call(
    settings: Settings, slack: Slack, token: SecretRef, name: str, method: str
) -> dict[str, object]:
    secret = read_secret(token, place=f"notifications.slack.{name}").get_secret_value()
    try:
        with httpx.Client(
            proxy=settings.notifications.proxy, trust_env=False, timeout=5.0
        ) as client:
            response = client.post(
                f"{slack.base_url}/{method}", headers={"Authorization": f"Bearer {secret}"}
            )
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise AirwardenError(f"{slack.base_url} does not answer as Slack does: {error}") from None
    if not isinstance(answer, dict) or not answer.get("ok"):
        reason = answer.get("error") if isinstance(answer, dict) else None
        raise AirwardenError(f"Slack refuses the token: {reason or 'no reason given'}")
    return answer


def _no_pager() -> Finding:
    return Finding(
        "pagerduty",
        "address",
        Outcome.OFF,
        "not configured: nobody is paged",
        "notifications.pagerduty",
    )


def _pagerduty(settings: Settings, pagerduty: PagerDuty) -> Iterator[Finding]:
    if pagerduty.routing_key is None:
        yield _no_pager()
    else:
        place = "notifications.pagerduty.routing_key"
        yield readable("pagerduty", "routing_key is", pagerduty.routing_key, place)
    if pagerduty.rest_token is not None:
        yield attempt(
            "pagerduty",
            "REST key",
            lambda: _may_read(settings),
            "a read-only REST API key is enough (notifications.pagerduty.rest_token_file)",
        )


def _may_read(settings: Settings) -> str:
    pages = remediating.pages(settings)
    if pages is None:
        raise AirwardenError("no key is configured")
    pages.acknowledgements(_NOBODYS)
    return "may read incidents: who acknowledges a page is seen"
