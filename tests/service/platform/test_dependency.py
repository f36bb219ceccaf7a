"""The external dependency that can be told to be down."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from localplatform.dependency import DependencyServer


@pytest.fixture
def address() -> Iterator[str]:
    with DependencyServer(0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_it_answers_until_it_is_told_to_be_down_and_counts_what_it_refused(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        assert client.get("/").status_code == 200
        assert client.put("/control/down").json()["up"] is False
        assert client.get("/").status_code == 503
        assert client.get("/invoices").status_code == 503
        assert client.put("/control/up").status_code == 200
        assert client.get("/invoices").json()["status"] == "ok"
        assert client.get("/control").json() == {"up": True, "served": 2, "refused": 2}


def test_an_unknown_command_changes_nothing(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        assert client.put("/control/sideways").status_code == 404
        assert client.get("/control").json()["up"] is True
