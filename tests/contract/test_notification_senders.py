"""The Slack and PagerDuty adapters against endpoints that judge as the real services do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.adapters.pagerduty import MOST_BYTES, PagerDutyEvents, encode
from airwarden.adapters.slack import SlackChat, SlackWebhook
from airwarden.core.errors import NotFoundError, RejectedError, UnavailableError
from airwarden.core.platform import ChatMessage, PagerEvent
from localplatform.endpoints.app import Demand
from support.endpoints import ServedEndpoints, endpoints

__all__ = ["endpoints"]
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "xoxb-test-token"


def page(action: str = "trigger", **changes: Any) -> PagerEvent:
    fields: dict[str, object] = {
        "action": action,
        "dedup_key": "incident-1",
        "routing_key": KEY,
        "summary": "A scheduler is dead",
        "details": {"why": "the host says: scheduler (frozen)"},
        "links": {"Incident": "http://127.0.0.1:9811/incidents/1"},
    }
    return PagerEvent(**{**fields, **changes})


@pytest.fixture
def pager(endpoints: ServedEndpoints) -> Iterator[PagerDutyEvents]:
    with closing(PagerDutyEvents(url=f"{endpoints.url}/v2/enqueue", deadline=3.0)) as pager:
        yield pager


@pytest.fixture
def chat(endpoints: ServedEndpoints) -> SlackChat:
    return SlackChat(TOKEN, base_url=f"{endpoints.url}/api/", deadline=3.0)


def message(text: str = "hello", channel: str = "#airflow", blocks: int = 1) -> ChatMessage:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": text or "-"}}
    return ChatMessage(channel, text, (block,) * blocks)


def test_a_page_is_triggered_once_acknowledged_and_resolved(
    pager: PagerDutyEvents, endpoints: ServedEndpoints
) -> None:
    pager.send(page())
    pager.send(page())
    (held,) = endpoints.pagerduty.pages.values()
    assert (held.state, held.triggers, held.severity) == ("triggered", 2, "critical")
    pager.send(page("acknowledge"))
    assert held.state == "acknowledged"
    pager.send(page("resolve"))
    assert held.state == "resolved"


def test_a_wrong_routing_key_is_refused_and_not_repeated(
    pager: PagerDutyEvents, endpoints: ServedEndpoints
) -> None:
    with pytest.raises(RejectedError, match="should be 32 characters") as caught:
        pager.send(page(routing_key="short-secret"))
    assert "short-secret" not in str(caught.value)
    assert len(endpoints.record.entries) == 1


def test_a_rate_limit_within_the_deadline_is_waited_out(
    pager: PagerDutyEvents, endpoints: ServedEndpoints
) -> None:
    endpoints.demands["pagerduty"] = Demand(429, times=1, retry_after=1)
    pager.send(page())
    assert [entry["status"] for entry in endpoints.record.entries] == [429, 202]


def test_a_rate_limit_beyond_the_deadline_is_handed_back_at_once(
    pager: PagerDutyEvents, endpoints: ServedEndpoints
) -> None:
    endpoints.demands["pagerduty"] = Demand(429, times=9, retry_after=60)
    begun = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        pager.send(page())
    assert caught.value.retry_after == 60
    assert time.monotonic() - begun < 20, "it is not waited for"


def test_an_outage_ends_at_the_deadline(endpoints: ServedEndpoints) -> None:
    endpoints.demands["pagerduty"] = Demand(503, times=99)
    with (
        closing(PagerDutyEvents(url=f"{endpoints.url}/v2/enqueue", deadline=1.2)) as pager,
        pytest.raises(UnavailableError, match="503"),
    ):
        pager.send(page())
    assert 2 <= len(endpoints.record.entries) <= 3


def test_no_pagerduty_at_all_is_unavailable() -> None:
    with (
        closing(PagerDutyEvents(url="http://127.0.0.1:9/v2/enqueue", deadline=1.0)) as pager,
        pytest.raises(UnavailableError),
    ):
        pager.send(page())


def test_too_much_text_is_cut_to_what_pagerduty_takes(
    pager: PagerDutyEvents, endpoints: ServedEndpoints
) -> None:
    long = {f"fact-{n}": "x" * 20_000 for n in range(100)}
    pager.send(page(summary="s" * 5000, severity="page", details=long))
    (entry,) = endpoints.record.entries
    assert entry["status"] == 202
    assert len(entry["body"]["payload"]["summary"]) == 1024
    assert entry["body"]["payload"]["severity"] == "warning"
    assert len(encode(page(details=long))) <= MOST_BYTES


def test_the_record_holds_no_routing_key(
    pager: PagerDutyEvents, endpoints: ServedEndpoints, tmp_path: Path
) -> None:
    pager.send(page())
    assert KEY not in (tmp_path / "record.jsonl").read_text()
    (entry,) = httpx.get(f"{endpoints.url}/_received", params={"service": "pagerduty"}).json()
    assert entry["body"]["routing_key"] == "…cdef"


def test_alertmanagers_own_page_with_an_unknown_severity_is_refused(
    endpoints: ServedEndpoints,
) -> None:
    body = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "x", "source": "Alertmanager", "severity": "page"},
    }
    answer = httpx.post(f"{endpoints.url}/v2/enqueue", json=body)
    assert answer.status_code == 400
    assert "severity" in answer.json()["errors"][0]
    assert httpx.post(f"{endpoints.url}/v2/enqueue", content=b"{").status_code == 400
    big = json.dumps({**body, "client": "x" * MOST_BYTES}).encode()
    assert httpx.post(f"{endpoints.url}/v2/enqueue", content=big).status_code == 413


def test_one_message_is_posted_and_then_updated(
    chat: SlackChat, endpoints: ServedEndpoints
) -> None:
    reference = chat.post(message("taken"))
    chat.update(reference, message("healed"))
    (held,) = endpoints.slack.messages.values()
    assert held.channel == "#airflow"
    assert held.content["text"] == "healed"
    assert held.edits == 1


def test_slacks_refusals_under_status_200_are_errors(
    chat: SlackChat, endpoints: ServedEndpoints
) -> None:
    with pytest.raises(NotFoundError, match="channel_not_found"):
        chat.post(message(channel="nowhere"))
    with pytest.raises(RejectedError, match="no more than 50"):
        chat.post(message(blocks=51))
    with pytest.raises(RejectedError, match="3001"):
        chat.post(message("x" * 3001))
    with pytest.raises(NotFoundError, match="message_not_found"):
        chat.update("C123:1.2", message())
    wrong = SlackChat("nonsense-token", base_url=f"{endpoints.url}/api/", deadline=3.0)
    with pytest.raises(RejectedError, match="invalid_auth") as caught:
        wrong.post(message())
    assert "nonsense-token" not in str(caught.value)


def test_slacks_rate_limit_is_honoured_within_the_deadline(
    chat: SlackChat, endpoints: ServedEndpoints
) -> None:
    endpoints.demands["slack"] = Demand(429, times=1, retry_after=1)
    chat.post(message())
    assert len(endpoints.slack.messages) == 1
    endpoints.demands["slack"] = Demand(429, times=1, retry_after=30)
    with pytest.raises(UnavailableError) as caught:
        chat.post(message())
    assert caught.value.retry_after == 30


def test_slack_out_of_reach_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        SlackChat(TOKEN, base_url="http://127.0.0.1:9/api/", deadline=1.0).post(message())


def test_an_incoming_webhook_posts_and_says_why_it_was_refused(
    endpoints: ServedEndpoints,
) -> None:
    webhook = SlackWebhook(f"{endpoints.url}/services/T0/B0/secret", deadline=3.0)
    reference = webhook.post(message("taken"))
    webhook.update(reference, message("healed"))
    assert [entry["answer"] for entry in endpoints.record.entries] == ["ok", "ok"]
    with pytest.raises(RejectedError, match="no_text"):
        webhook.post(ChatMessage("#airflow", ""))
    endpoints.demands["slack-webhook"] = Demand(500, times=1)
    with pytest.raises(UnavailableError):
        webhook.post(message())
