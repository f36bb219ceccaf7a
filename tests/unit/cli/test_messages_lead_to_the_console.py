"""Messages lead to the incident's page of the console, by the address that people know it by."""

from __future__ import annotations

import pytest

from airwarden.cli.remediating import composers
from airwarden.core.settings import parse
from support.views import incident_view


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
    told = f"{chat(incident_view())} {pages(incident_view(), 'trigger')}"
    assert ("/incidents/17" in told) == bool(page)
    assert page in told
