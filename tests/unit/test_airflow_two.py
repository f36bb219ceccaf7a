"""Airflow 2 beside the adapter for Airflow 3: its health is read all the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.core.errors import RejectedError

#: As Airflow 2.11.2 answers on `/health`.
HEALTH = {
    "dag_processor": {"latest_dag_processor_heartbeat": None, "status": None},
    "metadatabase": {"status": "healthy"},
    "scheduler": {"latest_scheduler_heartbeat": "2026-01-05T09:00:00+00:00", "status": "unhealthy"},
}


@pytest.fixture
def two(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers as an Airflow 2, or (`param` false) as nothing that we know."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/health" and getattr(request, "param", True)
            body = json.dumps(HEALTH).encode() if known else b"<html>404</html>"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def rest(url: str) -> AirflowRest:
    return AirflowRest(url, PasswordToken(url, "u", lambda: "p"))


def test_health_is_read_where_airflow_2_tells_it(two: str) -> None:
    assert rest(two).health() == {"metadatabase": "healthy", "scheduler": "unhealthy"}


@pytest.mark.parametrize("two", [False], indirect=True)
def test_what_is_no_airflow_stays_a_refusal(two: str) -> None:
    with pytest.raises(RejectedError):
        rest(two).health()
