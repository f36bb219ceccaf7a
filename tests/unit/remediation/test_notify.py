"""What Slack and PagerDuty are told: the fault, what was done, why not, and no secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.adapters.pagerduty import encode
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.decide.view import (
    AlertView,
    IncidentView,
    TimelineEntry,
)
from airwarden.remediation.notify.pagerduty import PagerDutyComposer
from airwarden.remediation.notify.redact import redact
from airwarden.remediation.notify.slack import SlackComposer
from airwarden.remediation.notify.words import Places
from localplatform.endpoints.pagerduty import PagerDuty
from localplatform.endpoints.slack import block_errors
from support.small_world import NOON
from support.views import alert_view, incident_view
from support.views import effect_view as effect

KEY, TEAM_KEY = "d" * 32, "f" * 32
SLACK = SlackComposer(
    default_channel="#airflow",
    team_channels={"growth": "#growth"},
    places=Places("http://127.0.0.1:9811/incidents/{id}"),
)
PAGER = PagerDutyComposer(default_key=KEY, team_keys={"growth": TEAM_KEY})


def alert(summary: str = "Scheduler scheduler is frozen", **changes: Any) -> AlertView:
    links = {"runbook_url": "https://runbooks.example/scheduler"}
    return alert_view(summary=summary, **{**links, **changes})


def incident(**changes: Any) -> IncidentView:
    return incident_view(**{"alerts": (alert(),), **changes})


def slack_text(view: IncidentView) -> str:
    message = SLACK(view)
    assert message is not None
    assert block_errors([dict(block) for block in message.blocks]) == []
    return message.text + str(message.blocks)


def page_text(view: IncidentView) -> str:
    event = PAGER(view, "trigger")
    assert event is not None
    answer, _ = PagerDuty().enqueue(encode(event))
    assert answer.status == 202
    return event.summary + str(dict(event.details)) + str(dict(event.links))


def test_both_name_what_broke_what_was_done_and_where_to_look() -> None:
    view = incident(
        state=IncidentState.RESOLVED, reason="all schedulers beat again", effects=(effect(),)
    )
    for text in (slack_text(view), page_text(view)):
        assert "A scheduler is dead or frozen" in text
        assert "Scheduler scheduler is frozen" in text
        assert "restart scheduler (pid 42): done" in text
        assert "all schedulers beat again" in text
        assert "https://runbooks.example/scheduler" in text
        assert "Resolved" in text


def test_a_refusal_names_the_cause_in_the_title() -> None:
    view = incident(
        state=IncidentState.ESCALATED,
        cause="metadata database slow",
        reason="process.restart refuses: the metadata database took 2.40 s to answer",
    )
    event = PAGER(view, "trigger")
    assert event is not None
    assert "metadata database slow" in event.summary
    assert "2.40 s" in event.details["why"]
    assert event.details["what was done"] == "nothing"
    assert "Needs a person" in slack_text(view)


def test_shadow_says_what_would_have_been_done() -> None:
    view = incident(shadow=True, mode=Mode.SHADOW, effects=(effect(None),))
    assert "Would have done (shadow)" in slack_text(view)
    assert "restart scheduler (pid 42): would" in page_text(view)


def test_a_failed_effect_is_told_with_its_error() -> None:
    view = incident(effects=(effect(AttemptState.FAILED, error="rejected: no right"),))
    assert "failed (rejected: no right)" in slack_text(view)


def test_a_teams_incident_goes_to_the_team() -> None:
    view = incident(team="growth")
    message, event = SLACK(view), PAGER(view, "trigger")
    assert message is not None
    assert event is not None
    assert (message.channel, event.routing_key) == ("#growth", TEAM_KEY)
    message, event = SLACK(replace(view, team="other")), PAGER(replace(view, team=""), "trigger")
    assert message is not None
    assert event is not None
    assert (message.channel, event.routing_key) == ("#airflow", KEY)


def test_without_channel_or_key_nobody_is_told() -> None:
    assert SlackComposer(default_channel="")(incident()) is None
    assert PagerDutyComposer(default_key="")(incident(), "trigger") is None


def test_the_key_is_not_shown_when_an_event_is_printed() -> None:
    assert KEY not in repr(PAGER(incident(), "trigger"))


def test_the_same_incident_has_the_same_dedup_key_for_all_actions() -> None:
    keys = set()
    for action in ("trigger", "acknowledge", "resolve"):
        event = PAGER(incident(), action)
        assert event is not None
        assert event.action == action
        keys.add(event.dedup_key)
    assert keys == {"local/scheduler-restart/17"}


def test_markup_in_an_alert_stays_text() -> None:
    text = slack_text(incident(alerts=(alert("<!channel> a <b> & <http://x|y>"),)))
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://airflow:hunter22@db:5432/airflow",
        "password=hunter22",
        '"api_key": "hunter22"',
        "Authorization: Bearer hunter22hunter22",
        "token xoxb-hunter22-hunter22",
        "routing_key=hunter22",
        "https://hooks.slack.com/services/T0/B0/hunter22",
        "eyJhbGciOiJI.eyJhunter22xx.c2lnhunter22",
    ],
)
def test_no_secret_gets_through(secret: str) -> None:
    assert "hunter22" not in redact(secret)
    view = incident(
        reason=f"it said {secret}",
        alerts=(alert(f"broken: {secret}"),),
        evidence={"log": secret},
        effects=(effect(error=secret),),
        human_steps=(secret,),
        timeline=(TimelineEntry(NOON, secret),),
        cause=secret,
    )
    assert "hunter22" not in slack_text(view)
    assert "hunter22" not in page_text(view)


def test_ordinary_words_are_not_redacted() -> None:
    text = "the token bucket of pool billing: 3 of 4 tries failed; see http://host:9811/incidents/3"
    assert redact(text) == text


@given(
    text=st.text(max_size=6000),
    count=st.integers(min_value=0, max_value=120),
    state=st.sampled_from(list(IncidentState)),
)
def test_whatever_an_incident_holds_both_services_take_it(
    text: str, count: int, state: IncidentState
) -> None:
    view = incident(
        state=state,
        title=text or "x",
        reason=text,
        alerts=tuple(alert(f"{n}{text}"[:2000]) for n in range(min(count, 50))),
        alerts_total=count * 100,
        effects=(effect(summary=text),) * count,
        evidence={f"fact {n}": text for n in range(count)},
        human_steps=(text,) * 5,
        timeline=(TimelineEntry(NOON, text),) * 20,
        labels={"dag_id": text},
    )
    slack_text(view)
    page_text(view)
