"""The operators' commands against a running remediator."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from airwarden.cli.main import run
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.operators import Operator, Operators, digest
from support.eventually import eventually
from support.remediator import API_TOKEN, Running
from support.waiting_plan import fire, waiting

OTHER = "pipeline-" + "p" * 23


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    # What the remediator logs in its threads is not what a command prints.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    people = Operators({digest(OTHER): Operator("deploys", person=False)})
    running = Running(f"sqlite:///{tmp_path / 'journal.db'}", mode=Mode.APPROVE, operators=people)
    yield running
    running.stop()
    structlog.reset_defaults()


Command = Callable[..., str]


@pytest.fixture
def command(running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; return what it printed, on stderr too where it must fail."""
    listen = f"127.0.0.1:{running.remediator.port}"
    for name, token in (("token", API_TOKEN), ("other", OTHER)):
        (tmp_path / name).write_text(token)
        text = f"remediator: {{listen: '{listen}', api_token_file: {name}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)

    def say(line: str, *, exits: int = 0, who: str = "token") -> str:
        words = [*line.split(), "--config", str(tmp_path / f"{who}.yaml")]
        code = run(words)
        out, err = capsys.readouterr()
        assert code == exits, out + err
        return out + err

    return say


def state(running: Running) -> str:
    return str(running.get("/api/v1/incidents")["incidents"][0]["state"])


def test_a_plan_is_shown_approved_healed_and_judged(running: Running, command: Command) -> None:
    assert "waits for no decision" not in command("incidents")
    assert "there is no incident 1" in command("approve 1", exits=1)
    fire(running)
    plan = waiting(running)["plan"]
    assert f"airwarden approve 1 --plan {plan}" in command("explain 1")
    refused = command("approve 1", exits=2)
    assert "restart lab/machine/one" in refused
    assert f"give --plan {plan}" in refused
    assert "airwarden explain 1" in command("approve 1 --plan 000000", exits=1)
    assert "only a person may" in command(f"approve 1 --plan {plan}", exits=1, who="other")
    assert "incident 1" in command(f"approve 1 --plan {plan} --reason fine")
    eventually(lambda: state(running) == "RESOLVED", within=30)
    assert running.machine.restarts == 1
    assert "waits for no decision" in command("approve 1 --yes", exits=1)
    said = command("verdict 1 right --ref OPS-1")
    assert said == "incident 1 is judged right: it did restart lab/machine/one\n"
    card = command("scorecard machine-restart")
    assert "1 approved runs that healed" in card
    assert "for approve: it has not fired in shadow yet" in card
    assert "incident 1: did restart lab/machine/one (right)" in card


def test_a_denied_incident_is_taken_over_and_closed(running: Running, command: Command) -> None:
    fire(running)
    waiting(running)
    command("deny 1 --reason deploying")
    eventually(lambda: state(running) == "ESCALATED", within=30)
    assert "HUMAN_OWNED" in command("acknowledge 1 --reason mine")
    assert "has it: it cannot be taken over" in command("acknowledge 1", exits=1)
    assert "Missing option" in command("close 1", exits=2)
    assert "RESOLVED" in command("close 1 --reason replaced")
    assert "only one that people own is closed" in command("close 1 --reason again", exits=1)


def test_maintenance_from_a_pipeline(running: Running, command: Command) -> None:
    line = "maintenance start --for 30m --cluster lab --reason release --wait 5 --output json"
    (begun,) = json.loads(command(line, who="other"))
    assert (begun["open"], begun["set_by"], begun["cluster"]) == (True, "deploys", "lab")
    assert "maintenance 1: open until" in command("maintenance list")
    stop = "maintenance stop --cluster lab --output json"
    assert [one["id"] for one in json.loads(command(stop, who="other"))] == [begun["id"]]
    # Said twice, it is no error.
    assert json.loads(command(stop, who="other")) == []
    assert "no maintenance window is open" in command("maintenance stop --cluster lab")
    assert "no windows" in command("maintenance list")
    assert "there is no cluster 'prod'; known: lab" in command(
        "maintenance stop --cluster prod", exits=1
    )
    assert "is not a duration" in command("maintenance start --for soon", exits=2)


def test_windows_modes_and_the_kill_switch(
    running: Running, command: Command, tmp_path: Path
) -> None:
    added = command(
        "windows add quiet --for 2d --starts 2026-01-03T00:00 --repeats FREQ=WEEKLY;BYDAY=SA"
        " --timezone Europe/Berlin --playbook machine-restart"
    )
    assert "again by FREQ=WEEKLY;BYDAY=SA (Europe/Berlin)" in added
    assert "quiet 1" in command("windows list")
    assert "quiet 1 is over" in command("windows end 1")
    assert "there is no window 1" in command("windows end 1", exits=1)
    assert "repeats at most daily" in command(
        "windows add freeze --for 1h --starts 2026-01-03T00:00 --repeats FREQ=HOURLY", exits=2
    )
    assert "all remedies are stopped (everywhere" in command("pause --reason look")
    assert "only a person may let remedies" in command("resume --reason x", exits=1, who="other")
    assert "remedies run as their modes allow" in command("resume --reason looked")
    lowered = command("mode machine-restart off --for 2h --reason replacing", who="other")
    assert "machine-restart (cluster lab): off" in lowered
    assert "off until" in command("mode")
    assert "only a person may" in command(
        "mode machine-restart settings --reason x", exits=1, who="other"
    )
    assert "machine-restart (cluster lab): approve" in command(
        "mode machine-restart settings -r done"
    )
    assert "do no more than approve" in command("mode machine-restart auto -r please", exits=1)
    assert "there is no playbook" in command("mode machine-restat off -r x", exits=1)
    shadow = tmp_path / "march.jsonl"
    firing = {"at": "2026-03-01T12:00:00Z", "would_do": ["restart it"], "verdict": "right"}
    shadow.write_text(json.dumps(firing) + "\n")
    card = command(f"scorecard machine-restart --cluster lab --replayed {shadow}")
    assert "1 firings, 1 of them replayed; judged 1 right" in card
    assert "without having earned it" in card


def test_a_playbook_is_run_by_hand(running: Running, command: Command) -> None:
    running.machine.healthy = False
    shown = command("run machine-restart --target one --dry-run")
    assert "machine-restart on cluster lab, name=one" in shown
    assert "confirm: the fault is there" in shown
    assert "restart lab/machine/one" in shown
    assert "nothing was done" in shown
    assert json.loads(command("run machine-restart -t name=one --dry-run --output json"))["plan"]
    assert running.get("/api/v1/incidents")["incidents"] == []
    assert "--target name=" in command("run machine-restart --reason drill --yes", exits=2)
    assert "why, for the audit" in command("run machine-restart --target one --yes", exits=2)
    assert "--yes takes what is shown" in command(
        "run machine-restart --target one --reason drill", exits=2
    )
    assert "only a person may" in command(
        "run machine-restart --target one --reason drill --yes", exits=1, who="other"
    )
    assert running.machine.restarts == 0
    said = command("run machine-restart --target one --reason drill --yes")
    assert "runs playbook machine-restart by hand: drill" in said
    assert "incident 1: RESOLVED" in said
    assert running.machine.restarts == 1
