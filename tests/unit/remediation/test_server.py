"""The HTTP server: what is answered leaves at once."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from fastapi import FastAPI

from airwarden.remediation.api.protocol import BoundedProtocol
from airwarden.remediation.api.server import Server


def test_an_answer_never_waits_for_the_acknowledgement_of_its_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once: list[int] = []
    made = BoundedProtocol.connection_made

    def noted(protocol: BoundedProtocol, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("socket")
        at_once.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        made(protocol, transport)

    monkeypatch.setattr(BoundedProtocol, "connection_made", noted)
    app = FastAPI()
    app.add_api_route("/", lambda: "well")
    server = Server(app, "127.0.0.1", 0)
    server.start()
    try:
        assert httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False).json() == "well"
    finally:
        server.stop(5)
    assert at_once == [1]
