"""`--output json`: every command that prints data prints its documented shape, and nothing beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main
from typer.core import TyperGroup

from airwarden.cli import failure_list
from airwarden.cli.main import application, run
from airwarden.cli.shapes import NO_DATA, SHAPES
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from support.eventually import eventually
from support.remediator import API_TOKEN, Running
from support.shapes import shaped
from support.waiting_plan import fire, waiting

#: Shown to hold where their data is: `test_backtest.py`.
ELSEWHERE = {"backtest"}
PAST = (
    '{"labels": {"alertname": "AirflowWorkerSilent", "severity": "critical", "cluster": "lab",'
    ' "hostname": "w1@box"}, "startsAt": "2026-03-01T12:00:00Z", "endsAt": "2026-03-01T12:30:00Z"}\n'
)


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if isinstance(one, TyperGroup):
            yield from commands(one, f"{before}{name} ")
        else:
            yield f"{before}{name}", one


def test_every_command_prints_a_documented_shape_or_says_why_it_prints_no_data() -> None:
    known = dict(commands(typer.main.get_command(application())))
    described = {name.partition(" --")[0] for name in SHAPES}
    assert described | set(NO_DATA) == set(known)
    assert not described & set(NO_DATA)
    for name, command in known.items():
        options = {option for one in command.params for option in one.opts}
        assert ("--format" in options) == (name in described), name
        assert ("--output" in options) == (name in described), name


@dataclass
class Shell:
    """Runs commands in a folder with a remediator's settings, and holds each to its shape."""

    running: Running
    capsys: pytest.CaptureFixture[str]
    held: set[str] = field(default_factory=set)

    def __call__(self, line: str, *, shape: str = "", exits: int = 0) -> Any:
        code = run([*line.split(), "--output", "json"])
        out, err = self.capsys.readouterr()
        assert code == exits, line + out + err
        words = line.split()
        two = " ".join(words[:2])
        name = shape or (two if two in SHAPES else words[0])
        self.held.add(name)
        return shaped(name, out)


@pytest.fixture
def say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rails = Rails(cool_down=timedelta(0), target_per_hour=9)
    running = Running(f"sqlite:///{tmp_path / 'journal.db'}", mode=Mode.APPROVE, rails=rails)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(API_TOKEN)
    (tmp_path / "past.jsonl").write_text(PAST)
    listen = f"127.0.0.1:{running.remediator.port}"
    (tmp_path / "airwarden.yaml").write_text(
        f"remediator: {{listen: '{listen}', api_token_file: token,"
        f" journal: {{url: 'sqlite:///{tmp_path / 'journal.db'}'}}}}\n"
        "clusters: [{name: lab, airflow: {url: 'http://127.0.0.1:1', auth: {token_file: token}}}]\n"
    )
    # The exporter's part; `tests/unit/failures/test_door.py` holds what it answers to the same keys.
    failure = dict.fromkeys(SHAPES["why"].keys, "x")
    monkeypatch.setattr(failure_list, "ask", lambda *_: [failure])
    monkeypatch.setattr(failure_list, "show", lambda *_, **__: None)
    yield Shell(running, capsys)
    running.stop()
    structlog.reset_defaults()


def _a_plan_that_heals(say: Shell) -> None:
    fire(say.running)
    waiting(say.running)
    assert say("incidents")[0]["approval"]["nonce"]
    assert say("explain 1")["lines"]
    assert say("status", exits=1)["remediator"]["modes"] == {"lab": {"machine-restart": "approve"}}
    assert say("top", exits=1)["incidents"][0]["incident_id"] == "1"
    assert say("approve 1 --yes")["incident_id"] == "1"
    eventually(lambda: say("incidents --all")[0]["state"] == "RESOLVED", within=30)
    assert say("verdict 1 right")["judgement"] == "right"
    assert say("scorecard machine-restart")[0]["firings"]


def _switches_and_windows(say: Shell) -> None:
    assert say("mode machine-restart off --for 2h -r x")[0]["mode"] == "off"
    say("mode machine-restart settings -r x")
    assert say("pause --reason look")["switches"]
    assert say("resume --reason looked")["switches"] == []
    say("maintenance start --for 30m")
    assert say("maintenance list")
    say("maintenance stop")
    assert say("maintenance stop") == []
    (freeze,) = say("windows add freeze --for 1h")
    assert say("windows list")
    say(f"windows end {freeze['id']}")


def _by_hand_and_by_people(say: Shell) -> None:
    say.running.machine.healthy = False
    target = "run machine-restart --target one"
    assert say(f"{target} --dry-run", shape="run --dry-run")["steps"]
    assert say(f"{target} --reason drill --yes")["state"] == "RESOLVED"
    fire(say.running, "two")
    waiting(say.running)
    number = say("incidents")[0]["incident_id"]
    assert say(f"silence {number}")["incident_id"] == number
    assert say(f"deny {number} --reason no")["incident_id"] == number
    eventually(lambda: say("incidents")[0]["state"] == "ESCALATED", within=30)
    assert say(f"acknowledge {number}")["state"] == "HUMAN_OWNED"
    assert say(f"release {number} --reason back")["owner"] == ""
    say(f"acknowledge {number}")
    assert say(f"close {number} --reason replaced")["state"] == "RESOLVED"


def test_each_prints_its_shape_and_nothing_else(say: Shell) -> None:
    _a_plan_that_heals(say)
    _switches_and_windows(say)
    _by_hand_and_by_people(say)
    assert say("audit verify")["holds"]
    assert say("why")
    say("check")
    assert say("check --explain AirflowWorkerSilent", shape="check --explain")
    assert "build/prometheus" in " ".join(say("build"))
    assert say("doctor", exits=1)
    assert say("playbooks simulate past.jsonl")
    assert say.held | ELSEWHERE == set(SHAPES)
