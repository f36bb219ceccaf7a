"""Failures over HTTP: the listener's reports in by their own token, answers out by the exporter's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from airwarden.adapters.fakes import FakeClock
from airwarden.cli.failure_list import PATH, ask, show
from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.settings import Settings, parse
from airwarden.exporters.app import Exporter, ExporterConfig
from airwarden.exporters.door import Door
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.failures.door import FAILURES, FailureDoor
from support.airflow_side import instance, listener

pytestmark = pytest.mark.thorough

REPORT = {
    "form": 1, "dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1,
    "exceptions": [{"classes": ["builtins.KeyError"]}],
}  # fmt: skip
BEARER = {"Authorization": "Bearer listeners-token"}


class Running:
    """An exporter that observes nothing and takes reports of cluster `prod`."""

    def __init__(self, *, token: bool = True) -> None:
        self.desk = FailureDesk(FakeClock())
        self.desk.book("prod")
        door = FailureDoor(self.desk)
        self.exporter = Exporter(
            (),
            ExporterConfig(
                port=0,
                door=Door(lambda: "readers-token"),
                reads={FAILURES: door.read},
                posts={FAILURES: door.post(Door(lambda: "listeners-token") if token else None)},
            ),
            FakeClock(),
        )
        self.exporter.start()
        self.url = f"http://127.0.0.1:{self.exporter.port}"

    def post(self, body: object, headers: dict[str, str] = BEARER) -> httpx.Response:
        return httpx.post(
            self.url + FAILURES, content=json.dumps(body), headers=headers, trust_env=False
        )


@pytest.fixture
def running() -> Iterator[Running]:
    one = Running()
    yield one
    one.exporter.stop()


def test_the_listeners_report_arrives(running: Running) -> None:
    options = {
        "listener_url": f"{running.url}{FAILURES}, {running.url}/nowhere",
        "listener_token": "listeners-token", "listener_timeout": "5",
    }  # fmt: skip
    with listener(options) as module:
        module.FailureListener().on_task_instance_failed(None, instance(), KeyError("x"))
    assert running.desk.book("prod").counts()["accepted"] == 1


@pytest.mark.parametrize("token", ["", "Bearer readers-token", "Basic listeners-token"])
def test_without_the_listeners_token_nothing_is_taken(running: Running, token: str) -> None:
    assert running.post(REPORT, {"Authorization": token}).status_code == 401
    assert running.desk.book("prod").counts()["accepted"] == 0


def test_what_is_wrong_with_a_report_is_told(running: Running) -> None:
    assert running.post(REPORT).status_code == 204
    refused = running.post({**REPORT, "dag_id": ""})
    assert (refused.status_code, "dag_id" in refused.text) == (400, True)
    assert "cluster" in running.post({**REPORT, "cluster": "nowhere"}).text
    assert running.post("x" * 70_000).status_code == 413
    assert running.desk.book("prod").counts()["accepted"] == 1


def test_without_a_token_in_the_settings_the_mend_is_named() -> None:
    closed = Running(token=False)
    try:
        answer = closed.post(REPORT, {})
    finally:
        closed.exporter.stop()
    assert answer.status_code == 404
    assert "exporter.failures.token_file" in answer.text


def settings(running: Running, tmp_path: object, text: str) -> Settings:
    source = f"exporter: {{url: '{running.url}', {text}}}"
    return parse(source, source="airwarden.yaml", environ={"TOKEN": "readers-token"}, base=tmp_path)  # type: ignore[arg-type]


def test_why_asks_with_the_exporters_credential(
    running: Running, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "readers-token")
    assert PATH == FAILURES
    known = settings(
        running, tmp_path, "auth: {token_env: TOKEN}, replicas: ['http://127.0.0.1:1']"
    )
    assert ask(known, {"dag": "d"}) == []
    with pytest.raises(WrongInputError, match="clusters prod"):
        ask(known, {"cluster": "nowhere"})
    with pytest.raises(RejectedError, match=r"exporter\.auth"):
        ask(settings(running, tmp_path, ""), {})


def test_why_says_how_to_start_an_exporter_that_is_away(tmp_path: object) -> None:
    away = parse(
        "exporter: {url: 'http://127.0.0.1:1'}", source="a.yaml", environ={}, base=tmp_path  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(UnavailableError, match="airwarden exporter"):
        ask(away, {})


def test_failures_are_shown_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    failure = {
        "dag_id": "orders", "run_id": "r1", "task_id": "load", "map_index": 3, "try_number": 2,
        "at": "2026-01-05T09:14:22+00:00", "final": False, "hostname": "w1", "cause": "dependency",
        "why": "the database did not answer",
        "evidence": {"source": "listener", "exception": "psycopg.OperationalError", "code": "",
                     "event": "", "connections": ["warehouse"], "fingerprint": "5be0a1"},
    }  # fmt: skip
    show([failure], dag="")
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-05 09:14:22 UTC  dependency: the database did not answer",
        "  orders.load[3]  run r1  try 2, tried again  on w1",
        "  told by listener: exception psycopg.OperationalError; connection warehouse; fingerprint 5be0a1",
        "1 failed attempts: 1 dependency",
    ]
    show([], dag="orders")
    assert "no failed attempt of orders" in capsys.readouterr().out
