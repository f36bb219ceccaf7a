"""The remediator by HTTPS: renewed certificates, certificates of clients, and its own commands."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airwarden.adapters.tls import RenewedContext, TlsFiles
from airwarden.cli.operator import Operator
from airwarden.core.errors import UnavailableError
from airwarden.core.settings import parse
from support.certificates import Authority
from support.remediator import API_TOKEN, Running


@contextmanager
def serving(folder: Path, files: TlsFiles) -> Iterator[str]:
    context = RenewedContext(files, place="remediator.tls")
    running = Running(f"sqlite:///{folder / 'journal.db'}", config={"tls": context.now})
    try:
        yield f"https://127.0.0.1:{running.remediator.port}"
    finally:
        running.stop()


def serial(url: str, authority: Authority) -> str:
    """Return the serial number of the certificate that is shown now."""
    trusting = ssl.create_default_context(cafile=authority.cert)
    with httpx.Client(verify=trusting) as http, http.stream("GET", f"{url}/healthz") as answer:
        shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
        return str(shown["serialNumber"])


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, cert, key = authority.sign("server"), tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(pair.cert, cert)
    shutil.copy(pair.key, key)
    with serving(tmp_path, TlsFiles(cert, key)) as url:
        first = serial(url, authority)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url.replace('https', 'http')}/healthz")
        renewed = authority.sign("renewed")
        shutil.copy(renewed.cert, cert)  # its key is not there yet: they do not fit
        assert serial(url, authority) == first
        shutil.copy(renewed.key, key)
        assert serial(url, authority) != first


def test_operators_show_their_certificate_and_strangers_are_not_let_in(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.sign("server"), authority.sign("client")
    stranger = Authority(tmp_path, "other").sign("stranger")
    (tmp_path / "api").write_text(API_TOKEN)
    files = TlsFiles(server.cert, server.key, client_ca=authority.cert)
    with serving(tmp_path, files) as url:

        def status(shown: str) -> object:
            text = (
                f"remediator: {{url: '{url}', api_token_file: api, tls: {{cert_file: x, key_file: x,"
                f" clients: {{ca_file: authority.pem, {shown}}}}}}}"
            )
            settings = parse(text, source="airwarden.yaml", environ={}, base=tmp_path)
            return Operator(settings).get("status")["leader"]

        assert status(f"cert_file: {client.cert}, key_file: {client.key}") in (True, False)
        for shown in ("server_name: ''", f"cert_file: {stranger.cert}, key_file: {stranger.key}"):
            with pytest.raises(UnavailableError):
                status(shown)
