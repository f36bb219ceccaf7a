"""The `Webhooks` port over real HTTP: where the settings say, with its key, and never somewhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from airwarden.adapters.webhooks import Address, HttpWebhooks
from airwarden.core.errors import (
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.settings import SecretRef


@dataclass
class Receiver:
    """A server that answers with `status`, and remembers."""

    status: int = 202
    hold: threading.Event = field(default_factory=threading.Event)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server asks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.got.append((self.path, dict(self.headers), body))
            if seen.status == 0:
                seen.hold.wait(10)
                return
            self.send_response(seen.status)
            self.send_header("Location", f"http://127.0.0.1:{seen.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield seen
    seen.hold.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_it_is_told_with_its_key_and_token(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    hooks = HttpWebhooks({"ring": Address(receiver.url, 5, SecretRef(file=tmp_path / "token"))})
    assert hooks.call("ring", {"incident": "7"}, key="k1") == 202
    ((path, headers, body),) = receiver.got
    assert path == "/hook"
    assert json.loads(body) == {"incident": "7"}
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RejectedError),
        (401, RejectedError),
        (302, RejectedError),
        (429, UnknownOutcomeError),
        (500, UnknownOutcomeError),
        (0, UnknownOutcomeError),
    ],
)
def test_an_answer_says_what_to_do_next(
    receiver: Receiver, status: int, error: type[Exception]
) -> None:
    receiver.status = status
    hooks = HttpWebhooks({"ring": Address(receiver.url, 0.5)})
    with pytest.raises(error):
        hooks.call("ring", {}, key="k")
    assert len(receiver.got) == 1


def test_what_cannot_be_reached_was_not_sent_and_what_is_not_listed_is_not_called() -> None:
    hooks = HttpWebhooks({"ring": Address("http://127.0.0.1:9/", 2)})
    with pytest.raises(UnavailableError):
        hooks.call("ring", {}, key="k")
    with pytest.raises(NotFoundError):
        hooks.call("other", {}, key="k")
