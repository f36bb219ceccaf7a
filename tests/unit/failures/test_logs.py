"""What the end of a log says: Airflow 3's JSON lines, Airflow 2's text, and whatever else a log may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airwarden.core.failures import Cause
from airwarden.exporters.failures.classify import Classifier
from airwarden.exporters.failures.logs import evidence_of
from airwarden.exporters.failures.rules import shipped

SHIPPED = Classifier((), shipped())
SITE = "/opt/venv/lib/python3.11/site-packages"


def lines(*entries: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(entry) for entry in entries).encode()


def failed(*exceptions: tuple[str, str, list[str]]) -> dict[str, Any]:
    """Make the entry that Airflow 3 writes, the outermost exception first."""
    return {
        "event": "Task failed with exception",
        "level": "error",
        "error_detail": [
            {
                "exc_type": name, "exc_value": value, "is_cause": False, "syntax_error": None,
                "frames": [{"filename": file, "lineno": 1, "name": "f"} for file in files],
            }
            for name, value, files in exceptions
        ],
    }  # fmt: skip


def test_the_exceptions_of_airflow_3() -> None:
    log = lines(
        {"event": "::group::Execute"},
        failed(
            ("OperationalError", "connection to server at 'h' failed", [
                "/dags/etl.py", f"{SITE}/psycopg/connection.py"]),
            ("ConnectionRefusedError", "[Errno 111] Connection refused", [f"{SITE}/psycopg/x.py"]),
        ),
        {"event": "::group::Post Execute"},
    )  # fmt: skip
    evidence = evidence_of(log)
    assert evidence.source == "log"
    assert [one.classes for one in evidence.raised] == [
        ("psycopg.OperationalError",), ("ConnectionRefusedError",)
    ]  # fmt: skip
    assert evidence.raised[1].codes == ("errno:111",)
    assert evidence.packages == ("psycopg", "dag")
    assert SHIPPED.verdict(evidence).cause is Cause.DEPENDENCY


TEXT = f"""\
[2026-01-05, 10:00:00 UTC] {{taskinstance.py:3310}} ERROR - Task failed with exception
Traceback (most recent call last):
  File "{SITE}/urllib3/connectionpool.py", line 789, in urlopen
    response = self._make_request()
urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='api', port=443): Max retries

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/dags/partner.py", line 12, in fetch
    requests.get(url)
  File "{SITE}/requests/adapters.py", line 700, in send
    raise ConnectionError(e, request=request)
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api', port=443): Max retries
[2026-01-05, 10:00:00 UTC] {{taskinstance.py:1225}} INFO - Marking task as UP_FOR_RETRY.
"""


def test_the_tracebacks_of_airflow_2() -> None:
    evidence = evidence_of(TEXT.encode())
    assert [one.classes[0] for one in evidence.raised] == [
        "requests.exceptions.ConnectionError", "urllib3.exceptions.MaxRetryError"
    ]  # fmt: skip
    assert evidence.packages == ("requests", "dag")
    assert SHIPPED.verdict(evidence).cause is Cause.DEPENDENCY


def test_of_two_tracebacks_that_do_not_belong_together_the_last_counts() -> None:
    earlier = TEXT.replace("requests.exceptions.ConnectionError", "KeyError")
    evidence = evidence_of((earlier + TEXT).encode())
    assert evidence.raised[0].classes == ("requests.exceptions.ConnectionError",)
    assert len(evidence.raised) == 2


@pytest.mark.parametrize(
    ("entry", "cause", "code"),
    [
        ({"event": "Process terminated by signal. Likely out of memory error (OOM).", "signal": -9,
          "signal_name": "SIGKILL"}, Cause.INFRASTRUCTURE, "signal:9"),
        ({"event": "Process exited abnormally", "exit_code": 137}, Cause.INFRASTRUCTURE, "exit:137"),
        ({"event": "Task exited", "exit_code": 1}, Cause.DAG_CODE, "exit:1"),
        ({"event": "[Errno 28] No space left on device: '/tmp/x'"}, Cause.INFRASTRUCTURE, ""),
        ({"event": "all is well"}, Cause.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_how_a_process_ended(entry: dict[str, Any], cause: Cause, code: str) -> None:
    verdict = SHIPPED.verdict(evidence_of(lines(entry)))
    assert (verdict.cause, verdict.code) == (cause, code)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("Server error '503 Service Unavailable' for url 'http://h/'", "http:503"),
        ("404 Client Error: Not Found for url: http://h/", "http:404"),
        ("An error occurred (SlowDown) when calling the PutObject operation", "aws:SlowDown"),
        ("Bash command failed. The command returned a non-zero exit code 137.", "exit:137"),
        ("order 503 is missing", ""),
    ],
)
def test_codes_in_messages(value: str, code: str) -> None:
    (raised,) = evidence_of(lines(failed(("SomeError", value, [])))).raised
    assert raised.codes == ((code,) if code else ())


def test_no_message_is_kept() -> None:
    evidence = evidence_of(lines(failed(("KeyError", "s3cret", ["/dags/a.py"]))))
    assert "s3cret" not in repr(evidence)
    assert evidence.raised[0].fingerprint


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000) | st.text(max_size=500).map(str.encode))
def test_no_log_is_too_strange(tail: bytes) -> None:
    evidence = evidence_of(tail)
    assert len(evidence.texts) <= 40
    cut = evidence_of(TEXT.encode()[len(tail) % len(TEXT) :] + tail)
    assert SHIPPED.verdict(cut).cause in Cause


def test_a_cut_line_and_a_nested_one_are_passed_over() -> None:
    tail = (
        b'lue": "cut"}\n'
        + b'{"event": '
        + b"[" * 50_000
        + b"\n"
        + lines(failed(("KeyError", "", [])))
    )
    assert evidence_of(tail).raised[0].classes == ("KeyError",)
