"""The local PagerDuty and Slack endpoints, served from a thread of the test process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from localplatform.endpoints.app import Endpoints, create_app
from support.eventually import eventually


class ServedEndpoints(Endpoints):
    """Endpoints with the address they are served at."""

    url = ""


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[ServedEndpoints]:
    """Endpoints on a free loopback port; `record.jsonl` in the test's folder has what came in."""
    served = ServedEndpoints(tmp_path / "record.jsonl")
    listener = socket.create_server(("127.0.0.1", 0))
    served.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(create_app(served), log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: server.started, within=10, what="endpoints are served")
    yield served
    server.should_exit = True
    thread.join(10)
    listener.close()
