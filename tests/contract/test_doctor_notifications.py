"""What doctor says of the tokens by which people are told and answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.doctor.notifications import probe_notifications
from airwarden.core.settings import parse
from localplatform.endpoints.slack_socket import SocketMode
from support.endpoints import ServedEndpoints, endpoints

__all__ = ["endpoints"]
BOT, APP, KEY = "xoxb-local", "xapp-local", "k" * 20


def asked(
    folder: Path, url: str, *, token: str = BOT, app: str = APP, key: str = KEY
) -> list[Finding]:
    wanted = {
        "slack": {"base_url": f"{url}/api"},
        "pagerduty": {"rest_url": url, "events_url": f"{url}/v2/enqueue"},
    }
    for section, name, secret in (
        ("slack", "token", token),
        ("slack", "app_token", app),
        ("pagerduty", "routing_key", "r" * 32),
        ("pagerduty", "rest_token", key),
    ):
        (folder / name).write_text(secret)
        wanted[section][f"{name}_file"] = str(folder / name)
    text = yaml.safe_dump({"notifications": wanted})
    settings = parse(text, source="a.yaml", environ={}, base=folder)
    return list(probe_notifications(settings))


@pytest.fixture
def socket_mode(endpoints: ServedEndpoints) -> Iterator[SocketMode]:
    served = SocketMode(endpoints.slack)
    yield served
    served.close()


def test_every_token_is_tried_and_nothing_is_sent(
    endpoints: ServedEndpoints, socket_mode: SocketMode, tmp_path: Path
) -> None:
    found = {one.subject: one for one in asked(tmp_path, endpoints.url)}
    assert {one.outcome for one in found.values()} == {Outcome.OK}
    assert found["token"].sentence == "signed in as airwarden of local"
    assert found["app token"].sentence == "may connect by Socket Mode: buttons are heard"
    assert found["REST key"].sentence == "may read incidents: who acknowledges a page is seen"
    assert socket_mode.connections == 0
    assert not endpoints.slack.messages
    assert not endpoints.pagerduty.pages


def test_a_bot_token_does_not_connect_and_a_wrong_key_does_not_read(
    endpoints: ServedEndpoints, tmp_path: Path
) -> None:
    found = {one.subject: one for one in asked(tmp_path, endpoints.url, app=BOT, key="short")}
    app, rest = found["app token"], found["REST key"]
    assert (app.outcome, rest.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert app.sentence == "Slack refuses the token: not_allowed_token_type"
    assert "connections:write" in app.mend
    assert "PagerDuty refuses the API key with 401" in rest.sentence
    assert "short" not in rest.sentence + rest.mend


def test_what_does_not_answer_is_said(tmp_path: Path) -> None:
    found = {one.subject: one for one in asked(tmp_path, "http://127.0.0.1:9")}
    assert found["app token"].sentence.startswith("http://127.0.0.1:9/api does not answer as Slack")
    assert found["REST key"].sentence == "PagerDuty did not answer: ConnectError"


def test_without_them_no_more_is_asked(tmp_path: Path) -> None:
    settings = parse("notifications: {}", source="a.yaml", environ={}, base=tmp_path)
    assert [(one.system, one.outcome) for one in probe_notifications(settings)] == [
        ("slack", Outcome.OFF),
        ("pagerduty", Outcome.OFF),
    ]
