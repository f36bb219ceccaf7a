"""Airflow 3.0 to 3.2 know no cursor: they pass over it, and answer by offset with the number in all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airwarden.adapters.airflow import AirflowRest

#: Task instances that there are, and that the server gives at once, whatever it is asked for.
MANY, PAGE = 5, 2


def instance(number: int) -> dict[str, Any]:
    """A task instance as a release without cursors gives it."""
    absent = (
        "logical_date", "start_date", "end_date", "duration", "queued_when", "scheduled_when", "pid",
        "executor", "note", "rendered_map_index", "trigger", "triggerer_job", "dag_version",
    )  # fmt: skip
    return {
        **dict.fromkeys(absent),
        "id": f"0199a5a5-0000-7000-8000-{number:012}", "task_id": f"t{number}", "dag_id": "d",
        "dag_run_id": "r", "map_index": -1, "run_after": "2026-01-05T09:00:00Z", "state": "success",
        "try_number": 1, "max_tries": 0, "task_display_name": "t", "dag_display_name": "d",
        "hostname": "", "unixname": "", "pool": "default_pool", "pool_slots": 1, "queue": "default",
        "priority_weight": 1, "operator": "x", "operator_name": "x", "executor_config": "{}",
        "rendered_fields": {},
    }  # fmt: skip


class Token:
    """A token that nobody asks for here."""

    def token(self) -> str:
        return "token"

    def refused(self, token: str) -> bool:
        return False


@pytest.fixture
def older() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
            found = [instance(number) for number in range(begin, min(begin + PAGE, MANY))]
            body = json.dumps({"task_instances": found, "total_entries": MANY}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_their_task_instances_are_read_to_the_end(older: str) -> None:
    found = AirflowRest(older, Token(), timeout=20.0).task_instances(dag_ids=["d"])
    assert [one.key.task_id for one in found] == [f"t{number}" for number in range(MANY)]
