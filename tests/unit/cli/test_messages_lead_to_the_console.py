"""Messages lead to the incident's page of the console, by the address that people know it by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airwarden.cli.remediating import composers
from airwarden.core.alerts import Severity
from airwarden.core.settings import parse
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.view import IncidentView

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEW = IncidentView(
    incident_id="17",
    dedup_key="local/scheduler-restart/17",
    cluster="local",
    playbook="scheduler-restart",
    title="A scheduler is dead or frozen",
    severity=Severity.CRITICAL,
    state=IncidentState.REMEDIATING,
    mode=Mode.AUTO,
    opened_at=NOON,
    updated_at=NOON,
    labels={"component": "scheduler", "cluster": "local"},
    alerts=(),
    alerts_total=0,
)


@pytest.mark.parametrize(
    ("written", "page"),
    [
        ("{url: 'https://airwarden.example'}", "https://airwarden.example/console/incidents/17"),
        ("{listen: '127.0.0.1:9911'}", "http://127.0.0.1:9911/console/incidents/17"),
        ("{url: 'https://airwarden.example', console: {enabled: false}}", ""),
    ],
)
def test_an_incident_is_linked_where_there_is_a_console(
    written: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    text = f"remediator: {written}\nnotifications: {{pagerduty: {{routing_key_env: KEY}}}}\n"
    chat, pages = composers(parse(text, source="airwarden.yaml", environ={}))
    told = f"{chat(VIEW)} {pages(VIEW, 'trigger')}"
    assert ("/incidents/17" in told) == bool(page)
    assert page in told
