"""The listener: what it tells, what it never tells, and that no task waits for it or fails by it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airwarden.core.errors import WrongInputError
from airwarden.exporters.failures.reports import read_report
from support.airflow_side import instance, listener, reported

#: What a listener may take of a task's time beyond its own limit, on a busy machine.
SLACK = 2.0


class Endpoint:
    """An exporter that keeps what it is told."""

    def __init__(self, status: int = 204) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        kept, answer = self.requests, status

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append((self.path, dict(self.headers), body))
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/failures"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.stop()


def fail(module: Any, error: object, **values: Any) -> float:
    """Let a task fail; return the seconds that the listener took."""
    begun = time.monotonic()
    module.FailureListener().on_task_instance_failed(None, instance(**values), error)
    return time.monotonic() - begun


def test_a_failure_is_reported_with_the_token_of_the_file(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("listeners-token\n")
    options = {
        "listener_url": endpoint.url, "listener_token_file": str(tmp_path / "token"),
        "listener_cluster": "prod", "listener_timeout": "5",
    }  # fmt: skip
    with listener(options) as module:
        fail(module, KeyError("x"), try_number=3, map_index=7)
    ((path, headers, body),) = endpoint.requests
    assert path == "/api/v1/failures"
    assert headers["Authorization"] == "Bearer listeners-token"
    told = read_report(body)
    assert told.cluster == "prod"
    assert (told.key.dag_id, told.key.try_number, told.key.map_index) == ("d", 3, 7)
    assert told.evidence.raised[0].classes[:2] == ("builtins.KeyError", "builtins.LookupError")


def test_neither_messages_nor_values_leave() -> None:
    class Hook:
        def __init__(self) -> None:
            self.postgres_conn_id = "warehouse"
            self.other_conn_id = "postgresql://user:s3cret-password@host/db"
            self.password = "s3cret-password"

        def run(self) -> None:
            s3cret_local = "s3cret-password"
            raise ConnectionError(f"login with {s3cret_local} failed")

    class Operator:
        aws_conn_id = "of the class, not of the task"

        def __init__(self) -> None:
            self.http_conn_id = "partner"
            self.bash_command = "curl -H s3cret-password"

    with pytest.raises(ConnectionError) as caught:
        Hook().run()
    with listener() as module:
        text = json.dumps(module.report(instance(Operator()), caught.value))
    assert "s3cret" not in text
    assert read_report(text.encode()).evidence.connections == ("warehouse", "partner")


def test_equal_failures_have_equal_fingerprints_whatever_their_numbers() -> None:
    one = reported(ValueError("row 17 of 'orders' at /data/a.csv")).evidence.raised[0].fingerprint
    two = reported(ValueError("row 94 of 'users' at /data/b.csv")).evidence.raised[0].fingerprint
    other = reported(ValueError("no rows")).evidence.raised[0].fingerprint
    assert one == two
    assert one != other


def test_a_connection_that_is_not_there_is_named() -> None:
    error = ValueError("The conn_id `ledger_db` isn't defined")
    assert reported(error).evidence.connections == ("ledger_db",)


class HugeError(Exception):
    """Its text is never finished."""

    def __str__(self) -> str:
        return "x" * 50_000_000


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text of mine")


class SleepyError(Exception):
    def __str__(self) -> str:
        time.sleep(30)
        return ""


def deep(levels: int) -> BaseException:
    """Return an exception with a long traceback and a long, circular chain."""

    def down(left: int) -> None:
        if left:
            down(left - 1)
        raise KeyError("x" * 1000)

    first: BaseException = ValueError()
    last = first
    for number in range(50):
        last.__cause__ = RuntimeError(number)
        last = last.__cause__
    last.__cause__ = first
    with pytest.raises(KeyError) as caught:
        down(levels)
    caught.value.__cause__ = first
    return caught.value


@pytest.mark.parametrize(
    "error", [HugeError(), MuteError(), deep(800)], ids=["huge", "mute", "deep"]
)
def test_whatever_is_raised_the_report_stays_small(endpoint: Endpoint, error: Exception) -> None:
    with listener({"listener_url": endpoint.url, "listener_timeout": "5"}) as module:
        fail(module, error)
    ((_, _, body),) = endpoint.requests
    assert len(body) < 32_768
    assert read_report(body).evidence.raised


def test_an_endpoint_that_hangs_costs_its_limit_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
        with listener({"listener_url": url, "listener_timeout": "0.3"}) as module:
            assert fail(module, KeyError("x")) < 0.3 + SLACK


def test_an_exception_that_hangs_costs_the_limit_and_no_more(endpoint: Endpoint) -> None:
    with listener({"listener_url": endpoint.url, "listener_timeout": "0.3"}) as module:
        assert fail(module, SleepyError()) < 0.3 + SLACK
    assert endpoint.requests == []


def test_no_limit_is_longer_than_five_seconds() -> None:
    with listener() as module:
        assert module.MOST_WAIT == 5.0
        assert min(float("3600"), module.MOST_WAIT) == 5.0


def unused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


@pytest.mark.parametrize(
    "options",
    [
        {"listener_url": unused()},
        {"listener_url": "http://no-such-host.invalid/"},
        {"listener_url": "not an address"},
        {"listener_url": unused(), "listener_timeout": "soon"},
        {"listener_url": unused(), "listener_token_file": "/no/such/file"},
        {"listener_url": unused().replace("http", "https"), "listener_ca_file": "/no/such/file"},
    ],
)  # fmt: skip
def test_whatever_is_wrong_with_the_way_nothing_is_raised(options: dict[str, str]) -> None:
    with listener({"listener_timeout": "1", **options}) as module:
        assert fail(module, KeyError("x")) < 1 + SLACK


@pytest.mark.parametrize("status", [302, 401, 500])
def test_an_endpoint_that_refuses_is_asked_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = Endpoint(status)
    try:
        with (
            caplog.at_level("INFO"),
            listener({"listener_url": refusing.url, "listener_timeout": "5"}) as module,
        ):
            fail(module, KeyError("x"))
    finally:
        refusing.stop()
    assert len(refusing.requests) == 1
    assert str(status) in caplog.text


@pytest.mark.parametrize("error", [None, "TaskInstance's state was manually set to `failed`."])
def test_what_a_person_or_the_scheduler_ended_is_not_reported(
    endpoint: Endpoint, error: object
) -> None:
    with listener({"listener_url": endpoint.url}) as module:
        fail(module, error)
    assert endpoint.requests == []


def test_without_an_address_it_does_nothing() -> None:
    with listener() as module:
        assert fail(module, SleepyError()) < SLACK


GOOD: dict[str, Any] = {
    "form": 1, "dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1,
    "exceptions": [{"classes": ["builtins.KeyError"]}], "something": "newer",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"form": 2}, {"dag_id": ""}, {"dag_id": "d" * 500}, {"try_number": "many"}, {"try_number": -1},
        {"exceptions": [{"classes": ["x"] * 30}]}, {"exceptions": [{"classes": [], "codes": ["s3cret"]}]},
        {"connections": ["postgresql://user:s3cret@h/d"]}, {"packages": ["s3cret word"]},
    ],
)  # fmt: skip
def test_a_report_of_another_form_is_refused_without_its_content(change: dict[str, Any]) -> None:
    assert read_report(json.dumps(GOOD).encode()).key.dag_id == "d"
    with pytest.raises(WrongInputError) as caught:
        read_report(json.dumps({**GOOD, **change}).encode())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"x" * 70_000])
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(WrongInputError):
        read_report(body)
