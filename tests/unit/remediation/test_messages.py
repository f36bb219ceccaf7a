"""The messages themselves, word for word, for each kind of standing: `tests/data/messages/*.json`.

`WRITE_MESSAGES=1 pytest tests/unit/remediation/test_messages.py` writes them again; read the difference as
whoever is woken by it would.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airwarden.adapters.pagerduty import encode
from airwarden.core.alerts import AlertStatus, Severity
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.decide.view import (
    AheadView,
    ApprovalView,
    EffectView,
    IncidentView,
    TimelineEntry,
)
from airwarden.remediation.notify.pagerduty import PagerDutyComposer
from airwarden.remediation.notify.slack import SlackComposer, thread
from airwarden.remediation.notify.words import Places
from support.message_limits import pagerduty_faults, slack_faults
from support.repository import ROOT
from support.small_world import NOON
from support.views import alert_view, effect_view, incident_view

FOLDER = ROOT / "tests/data/messages"
PLACES = Places(
    "https://airwarden.example/incidents/{id}", {"production": "https://airflow.example"}
)
SLACK = SlackComposer("#airflow", places=PLACES, buttons=True)
PLAIN = SlackComposer("#airflow", places=PLACES)
PAGER = PagerDutyComposer("d" * 32, places=PLACES)


def at(seconds: int) -> Any:
    return NOON + timedelta(seconds=seconds)


def effect(state: AttemptState | None, **changes: Any) -> EffectView:
    summary = "restart scheduler-2 (pid 4711, frozen)"
    target = "production/process/scheduler-2"
    return effect_view(state, **{"target": target, "summary": summary, "at": at(12), **changes})


FROZEN = incident_view(
    dedup_key="airwarden/production/scheduler-restart/17",
    cluster="production",
    opened_at=at(5),
    started_at=NOON,
    updated_at=at(12),
    labels={"component": "scheduler", "cluster": "production", "process": "scheduler-2"},
    alerts=(
        alert_view(
            labels={"component": "scheduler", "process": "scheduler-2"},
            summary="Scheduler process scheduler-2 on production is frozen or dead",
            runbook_url="https://runbooks.example/AirflowSchedulerProcessDown.md",
            dashboard_url="https://grafana.example/d/airwarden-scheduler",
        ),
    ),
    affected=(
        "up to 14,812 active DAGs",
        "late already: 3 DAG runs (1 critical, 2 standard)",
        "open: 412 DAG runs (12 critical, 400 standard)",
    ),
    timeline=(
        TimelineEntry(at(5), "Opened: A scheduler is dead or frozen."),
        TimelineEntry(at(11), "Confirmed 2 time(s): scheduler-2 is frozen."),
    ),
    evidence={"process": "scheduler-2: frozen for 31 s", "database": "SELECT 1 took 2 ms"},
    ahead=(
        AheadView(at(20), "it goes on to do process.restart (restart)"),
        AheadView(at(305), "a person is paged, unless it is healed by then"),
    ),
)
ASKED = ApprovalView(
    plan="9f3a1c02",
    nonce="n" * 22,
    effects=("restart scheduler-2 (pid 4711, frozen)",),
    changed=(),
    requested_at=at(12),
    expires_at=at(912),
)
#: Kind of standing → an incident that stands so.
KINDS: Mapping[str, IncidentView] = {
    "being-remedied": FROZEN,
    "in-shadow": replace(
        FROZEN, mode=Mode.SHADOW, shadow=True, state=IncidentState.ESCALATED,
        effects=(effect(None),), paged=True,
        reason="in shadow mode nothing is done; it would have done: restart scheduler-2",
        ahead=(AheadView(None, "nothing more is done by itself"),),
    ),
    "waits-for-a-yes": replace(
        FROZEN, mode=Mode.APPROVE, approval=ASKED, approval_expires_at=ASKED.expires_at,
        ahead=(AheadView(ASKED.expires_at, "without a yes by then nothing is done, and a person is called"),),
    ),
    "watched": replace(
        FROZEN, state=IncidentState.STABILIZING, effects=(effect(AttemptState.CONFIRMED),),
        ahead=(AheadView(at(90), "it is resolved if it has stayed healthy until then"),),
    ),
    "resolved": replace(
        FROZEN, state=IncidentState.RESOLVED, effects=(effect(AttemptState.CONFIRMED),),
        ended_at=at(90), updated_at=at(90), ahead=(), reason="both schedulers beat and schedule",
        alerts=tuple(replace(one, status=AlertStatus.RESOLVED) for one in FROZEN.alerts),
    ),
    "refused": replace(
        FROZEN, state=IncidentState.ESCALATED, paged=True, cause="metadata database slow",
        reason="process.restart refuses: the metadata database took 2.40 s to answer",
        human_steps=("Find the statement that makes the database slow; do not restart schedulers.",),
        ahead=(AheadView(None, "nothing more is done by itself; it is resolved once it reads healthy and stays so"),),
    ),
    "effect-failed": replace(
        FROZEN, state=IncidentState.ESCALATED, paged=True,
        effects=(effect(AttemptState.FAILED, error="rejected: no right"), effect(AttemptState.UNDECIDABLE)),
        reason="restart: still not healthy after 2 attempts",
    ),
    "taken-over": replace(
        FROZEN, state=IncidentState.HUMAN_OWNED, owner="ada", reason="ada has it",
        ahead=(AheadView(None, "nothing is done while ada has it"),),
    ),
    "storm": replace(
        FROZEN, state=IncidentState.STORM_HOLD, playbook="", paged=True, labels={"cluster": "production"},
        title="83 alerts of 12 kinds within 5 minutes", alerts=FROZEN.alerts * 8, alerts_total=83,
        reason="more than 30 incidents in 5 minutes: nothing is done one by one",
        ahead=(AheadView(None, "nothing is done until the storm is over"),),
    ),
    "nobody-knows-it": replace(
        FROZEN, state=IncidentState.NO_PLAYBOOK, playbook="", title="Something of the site's own",
        severity=Severity.WARNING, recurrence=2, team="growth", affected=(), evidence={},
    ),
    "healed-by-itself": replace(
        FROZEN, state=IncidentState.RESOLVED, healed_by_itself=True, ended_at=at(40), ahead=(),
        reason="the fault is not confirmed: scheduler-2 runs",
    ),
}  # fmt: skip


def said(kind: str) -> dict[str, Any]:
    """Return everything that is sent about an incident, as the services get it."""
    view = KINDS[kind]
    message, plain, event = SLACK(view), PLAIN(view), PAGER(view, "trigger")
    assert message is not None
    assert plain is not None
    assert event is not None
    return {
        "slack": {"channel": message.channel, "text": message.text, "blocks": message.blocks},
        "slack_without_buttons": {"blocks": plain.blocks[-1:]},
        "slack_thread": thread(view.timeline),
        "pagerduty": json.loads(encode(event, "https://airwarden.example")),
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_reads_as_it_was_agreed(kind: str) -> None:
    file = FOLDER / f"{kind}.json"
    fresh = json.dumps(said(kind), indent=2, ensure_ascii=False, default=list) + "\n"
    if os.environ.get("WRITE_MESSAGES"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(fresh)
    assert file.read_text() == fresh


def test_there_is_no_message_that_nobody_sends() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_keeps_to_what_the_services_take(kind: str) -> None:
    found = said(kind)
    assert slack_faults(json.loads(json.dumps(found["slack"], default=list))) == []
    assert pagerduty_faults(found["pagerduty"]) == []


#: Longer than the longest that any service takes.
LONG = "long " * 1000


@pytest.mark.thorough
def test_what_is_too_long_keeps_what_matters() -> None:
    view = replace(
        KINDS["refused"],
        title=LONG,
        evidence={f"fact {number}": LONG for number in range(300)},
        human_steps=(LONG, "Call the database's owner."),
        effects=(effect(AttemptState.CONFIRMED, summary=LONG),) * 200,
        timeline=(TimelineEntry(NOON, LONG),) * 20,
        affected=(LONG, "late already: 3 DAG runs (1 critical, 2 standard)"),
    )
    message, event = SLACK(view), PAGER(view, "trigger")
    assert message is not None
    assert event is not None
    blocks = json.loads(json.dumps(message.blocks, default=list))
    assert slack_faults({"text": message.text, "blocks": blocks}) == []
    header = blocks[0]["text"]["text"]
    assert header.startswith("Needs a person: production: long long")
    assert header.endswith("— metadata database slow")
    text = json.dumps(blocks, ensure_ascii=False)
    for kept in (
        "1 critical, 2 standard",
        "took 2.40 s",
        "database's owner",
        "Runbook",
        "I take it",
    ):
        assert kept in text
    sent = json.loads(encode(event))
    assert pagerduty_faults(sent) == []
    assert sent["payload"]["summary"].endswith("— metadata database slow")
    details = sent["payload"]["custom_details"]
    assert "story" in details["left out"]
    assert list(details)[:3] == ["what broke", "since", "who is affected"]
    assert "took 2.40 s" in details["why"]


def test_a_thread_keeps_the_latest_lines() -> None:
    entries = [TimelineEntry(at(n), f"line {n} <!channel> {'x' * 400}") for n in range(20)]
    told = thread(entries)
    assert len(told) <= 4000
    assert "line 19" in told
    assert "earlier lines: airwarden explain" in told
    assert "<!channel>" not in told


def test_task_logs_lead_to_the_dag_that_it_is_about() -> None:
    of_one = replace(FROZEN.alerts[0], labels={"dag_id": "a/b c"})
    text = json.dumps(SLACK(replace(FROZEN, alerts=(of_one,))).blocks, default=list)  # type: ignore[union-attr]
    assert "https://airflow.example/dags/a%2Fb%20c/tasks" in text
    assert "https://airflow.example/task_instances?task_state=failed" in json.dumps(
        said("being-remedied")["slack"], default=list
    )


def test_a_limit_that_is_passed_is_seen() -> None:
    broken = {
        "text": "x",
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
    }
    assert slack_faults(broken) == ["blocks/0: a header has at most 150 characters, not 151"]
    event = {**said("refused")["pagerduty"], "dedup_key": "k" * 256}
    assert pagerduty_faults(event) == ["dedup_key: at most 255 characters"]
