"""`airwarden incidents`: filters, and a table that says first who is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.cli.commands import incidents as command
from airwarden.cli.incident_list import moment, show, states
from airwarden.cli.main import run
from airwarden.cli.operator import Operator
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import parse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Out = pytest.CaptureFixture[str]


def one(**changes: Any) -> dict[str, Any]:
    return {
        "incident_id": "7",
        "opened_at": (datetime.now(UTC) - timedelta(minutes=6)).isoformat(),
        "severity": "critical",
        "state": "REMEDIATING",
        "cluster": "prod",
        "playbook": "scheduler-restart",
        "title": "A scheduler is down",
        "reason": "",
        "owner": "",
        "paged": False,
        "recurrence": 0,
        "alerts_total": 1,
        "approval_expires_at": None,
        **changes,
    }


def test_states_are_written_as_people_do() -> None:
    assert states(["escalated", "Storm-Hold", "human_owned"]) == [
        "ESCALATED", "STORM_HOLD", "HUMAN_OWNED",
    ]  # fmt: skip
    with pytest.raises(WrongInputError, match=r"did you mean escalated\?"):
        states(["escaladed"])
    with pytest.raises(WrongInputError, match="one of open, triage"):
        states(["xyz"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2026-02-27", datetime(2026, 2, 27, tzinfo=UTC)),
        ("2026-02-27T04:00+01:00", datetime(2026, 2, 27, 3, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_length_of_time_or_a_date(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "9999999999w", "12"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(WrongInputError, match="write for example 2h"):
        moment(text, NOW)


def test_who_waits_for_a_person_comes_first_and_is_counted(
    capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    until = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    rows = [
        one(incident_id="9"),
        one(incident_id="8", state="ESCALATED", reason="nobody [approved]", paged=True),
        one(incident_id="7", approval_expires_at=until, recurrence=2, alerts_total=30),
        one(incident_id="6", state="HUMAN_OWNED", owner="ada"),
    ]
    show(rows, open_only=True, limit=100)
    said = capsys.readouterr().out
    order = [line.split()[0] for line in said.splitlines() if line[:1].isdigit()]
    assert order[:4] == ["8", "7", "9", "6"]
    assert "needs a person" in said
    assert "needs your yes (10 min left)" in said or "needs your yes (9 min" in said
    assert "a person has it (ada)" in said
    assert "nobody [approved]" in said
    assert "came back 2×, 30 alerts" in said
    assert "4 incidents, 2 wait for a person; airwarden explain 8 tells its story" in said


def test_an_empty_list_and_a_full_one_say_so(capsys: Out) -> None:
    show([], open_only=True, limit=5)
    assert capsys.readouterr().out == "no open incidents\n"
    show([], open_only=False, limit=5)
    assert capsys.readouterr().out == "no incidents match\n"
    show([one()] * 5, open_only=False, limit=5)
    assert "only the newest 5 are shown" in capsys.readouterr().out


def connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], Any]
) -> None:
    (tmp_path / "token").write_text("t\n")
    settings = parse("remediator: {api_token_file: token}", source="x", environ={}, base=tmp_path)
    operator = Operator(settings, httpx.MockTransport(answer))
    monkeypatch.setattr(command, "connect", lambda _: operator)


def test_filters_reach_the_api_and_ask_for_what_is_over_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url.params))
        return httpx.Response(200, json={"incidents": [one()]})

    connected(tmp_path, monkeypatch, answer)
    assert run(["incidents"]) == 0
    capsys.readouterr()
    assert run(["incidents", "--state", "resolved", "--state", "closed", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["incident_id"] == "7"
    assert run(["incidents", "--since", "2h", "--cluster", "prod", "--playbook", "b"]) == 0
    assert seen[0] == "open=true&limit=100"
    assert seen[1] == "open=false&state=RESOLVED&state=CLOSED&limit=100"
    assert seen[2].startswith("open=false&cluster=prod&playbook=b&since=2")


def test_an_answer_of_something_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    page = httpx.Response(200, text="<html>", headers={"content-type": "text/html"})
    connected(tmp_path, monkeypatch, lambda _: page)
    assert run(["incidents"]) == 1
    assert "is not Airwarden's remediator: it sent text/html" in capsys.readouterr().err
