"""Probes never raise and keep their deadline; the system clock can be stopped."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.probes import HttpProbe, TcpProbe


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize(
    ("status", "expect", "up"),
    [(200, 0, True), (404, 0, True), (500, 0, False), (503, 0, False), (204, 204, True),
     (200, 204, False)],
)  # fmt: skip
def test_an_http_probe_judges_the_status(address: str, status: int, expect: int, up: bool) -> None:
    assert HttpProbe(f"http://{address}/{status}", expect=expect).check() is up


def test_a_silent_server_is_down_within_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begun = time.monotonic()
        assert not HttpProbe(f"http://127.0.0.1:{port}/", timeout=0.3).check()
        assert time.monotonic() - begun < 3
        assert TcpProbe("127.0.0.1", port).check()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://", "nonsense", "http://[bad/"])
def test_what_cannot_be_reached_is_down_and_no_error(url: str) -> None:
    assert not HttpProbe(url, timeout=0.5).check()


def test_a_refused_connection_is_down() -> None:
    assert not TcpProbe("127.0.0.1", 1, timeout=0.5).check()


def test_a_stop_ends_a_wait_at_once() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert not clock.wait(0.01)
    waiter = threading.Thread(target=lambda: clock.wait(60), daemon=True)
    waiter.start()
    clock.stop()
    waiter.join(5)
    assert not waiter.is_alive()
    assert clock.wait(60)


def test_elapsed_time_follows_real_time_and_not_the_wall() -> None:
    clock = SystemClock()
    first = clock.elapsed()
    assert 0 <= clock.elapsed() - first < 5


def test_the_fake_clocks_two_times_move_apart_only_by_a_step() -> None:
    clock = FakeClock()
    start = clock.now()
    assert not clock.wait(30)
    assert ((clock.now() - start).total_seconds(), clock.elapsed()) == (30, 30)
    clock.step_wall(-3600)
    assert ((clock.now() - start).total_seconds(), clock.elapsed()) == (-3570, 30)
    clock.stop()
    assert clock.wait(30)
    assert clock.elapsed() == 30
