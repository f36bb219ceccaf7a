"""A Prometheus and an Alertmanager of our own on loopback, and an HTTP server that tests script."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support.eventually import eventually
from support.servers import Child, answers, free_port

Answer = tuple[int, str]
#: Seconds for an answer that takes or holds thousands of alerts, on a machine with much else to do.
THOUSANDS = 150


class Scripted:
    """An HTTP server on a free loopback port whose answers are one function of the test.

    Args:
        answer: Given method, path, headers and body, returns status and text.
        port: A port that was chosen before; 0 for a free one.
        content_type: Of every answer.
    """

    def __init__(
        self,
        answer: Callable[[str, str, Mapping[str, str], bytes], Answer],
        port: int = 0,
        content_type: str = "text/plain; version=0.0.4; charset=utf-8",
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                status, text = answer(self.command, self.path, dict(self.headers), body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _serve  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the test's output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Refuse connections from now on; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    return pytest.fail(f"{names[0]} is missing: apt-get install {names[0]}")


class Alertmanager:
    """An Alertmanager with this configuration.

    Args:
        folder: Of its own.
        config: What `alertmanager.yml` says.
        port: A port that was chosen before; 0 for a free one.
        web: Its web configuration: how it speaks TLS and whom it lets in.
    """

    def __init__(self, folder: Path, config: str, port: int = 0, web: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yml").write_text(config, encoding="utf-8")
        self.port = port or free_port()
        self.url = f"{'https' if web else 'http'}://127.0.0.1:{self.port}"
        self.child = Child(
            [_program("prometheus-alertmanager", "alertmanager"),
             f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
             *([f"--web.config.file={web}"] if web else [])],
            folder / "alertmanager.log",
        )  # fmt: skip
        _ready(self.child, self.url)

    def post(self, alerts: Iterable[Mapping[str, str]]) -> None:
        """Let alerts with these labels fire from now on."""
        body = [{"labels": dict(labels)} for labels in alerts]
        httpx.post(f"{self.url}/api/v2/alerts", json=body, timeout=THOUSANDS).raise_for_status()

    def clear(self) -> None:
        """Let every alert be over, and return once none is shown."""
        now = datetime.now(UTC).isoformat()

        def none_left() -> bool:
            shown = [{"labels": one["labels"], "endsAt": now} for one in self.alerts()]
            if shown:
                httpx.post(f"{self.url}/api/v2/alerts", json=shown, timeout=30).raise_for_status()
            return not shown

        eventually(none_left, within=10, what="no alert is shown")

    def alerts(self) -> list[dict[str, Any]]:
        """Return every alert with its status, the inhibited ones included."""
        answer = httpx.get(f"{self.url}/api/v2/alerts", timeout=THOUSANDS)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def silence(self, matchers: Mapping[str, str]) -> str:
        """Silence what has these labels, from now on; returns the silence's identifier."""
        now = datetime.now(UTC)
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in matchers.items()
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "for a test",
        }
        answer = httpx.post(f"{self.url}/api/v2/silences", json=body, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["silenceID"])

    def expire(self, silence: str) -> None:
        """End a silence."""
        httpx.delete(f"{self.url}/api/v2/silence/{silence}", timeout=30).raise_for_status()

    def stop(self) -> None:
        """End the process."""
        self.child.stop()


class Prometheus:
    """A Prometheus with this configuration; its rule files lie in `rules` beside it.

    Args:
        folder: Of its own, with `prometheus.yml`.
        flags: More of them.
        web: Its web configuration: how it speaks TLS and whom it lets in.
    """

    def __init__(self, folder: Path, *flags: str, web: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"{'https' if web else 'http'}://127.0.0.1:{self.port}"
        self.child = Child(
            [_program("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
             # It takes five seconds to find its Alertmanager and drops what fires before; the
             # default is to send that again after a minute.
             "--rules.alert.resend-delay=2s", *flags,
             *([f"--web.config.file={web}"] if web else [])],
            folder / "prometheus.log",
        )  # fmt: skip
        _ready(self.child, self.url)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return an instant vector."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health and last error."""
        answer = httpx.get(f"{self.url}/api/v1/rules", timeout=10)
        groups = json.loads(answer.text)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def stop(self) -> None:
        """End the process."""
        self.child.stop()


def _ready(child: Child, url: str) -> None:
    def ready() -> bool:
        child.check()
        if url.startswith("https:"):  # it lets nobody in who shows nothing
            return answers(urlsplit(url).port or 0)
        try:
            return httpx.get(f"{url}/-/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(ready, within=20, what=f"{url} is ready")
