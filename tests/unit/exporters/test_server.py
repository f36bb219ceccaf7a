"""The exporter's HTTP server: who gets in, over what, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airwarden.adapters.tls import RenewedContext, TlsFiles
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.exporters.door import Door
from airwarden.exporters.negotiation import Format
from airwarden.exporters.server import MAX_CONNECTIONS, MetricsServer, Post, Posted, Reply, Routes
from support.certificates import Authority, Pair
from support.eventually import eventually

pytestmark = pytest.mark.thorough

BODY = b"airwarden_page 1\n"


def metrics(form: Format, zipped: bool) -> bytes:
    return gzip.compress(BODY) if zipped else BODY


@contextmanager
def serving(
    *, door: Door | None = None, post: Post | None = None, tls: TlsFiles | None = None
) -> Iterator[str]:
    routes = Routes(
        metrics=metrics, ready=lambda: "", reload=lambda: Reply(200, b"reloaded\n"), door=door,
        posts={"/api/v1/things": post} if post else {},
    )  # fmt: skip
    context = RenewedContext(tls, place="exporter.tls").now if tls is not None else None
    server = MetricsServer("127.0.0.1", 0, routes, tls=context)
    server.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.port}"
    finally:
        server.stop()


def basic(user: str, password: str) -> dict[str, str]:
    shown = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {shown}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("username", "right", "wrong"),
    [
        (
            "prometheus",
            basic("prometheus", "pässword"),
            [basic("prometheus", "x"), basic("other", "pässword"), bearer("pässword"), {}],
        ),
        (
            "",
            bearer("password"),
            [
                bearer("x"),
                {"Authorization": "Bearer"},
                basic("", "password"),
                {},
                {"Authorization": "\x80"},
            ],
        ),
    ],
)
def test_only_the_credential_opens_metrics_and_reload(
    username: str, right: dict[str, str], wrong: list[dict[str, str]]
) -> None:
    secret = "pässword" if username else "password"
    with serving(door=Door(lambda: secret, username=username)) as url:
        assert httpx.get(f"{url}/metrics", headers=_bytes(right)).content == BODY
        assert httpx.post(f"{url}/-/reload", headers=_bytes(right)).status_code == 200
        for headers in wrong:
            refused = httpx.get(f"{url}/metrics", headers=_bytes(headers))
            assert refused.status_code == 401
            assert BODY not in refused.content
            scheme = refused.headers["www-authenticate"].split()[0]
            assert scheme == ("Basic" if username else "Bearer")
            assert httpx.post(f"{url}/-/reload", headers=_bytes(headers)).status_code == 401
        for probe in ("healthz", "readyz"):
            assert httpx.get(f"{url}/{probe}").status_code == 200


def _bytes(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def test_a_renewed_secret_counts_at_once_and_an_unreadable_one_changes_nothing() -> None:
    secrets: list[str | None] = ["first"]

    def secret() -> str:
        if secrets[-1] is None:
            raise UnavailableError("the file is gone")
        return secrets[-1]

    with serving(door=Door(secret)) as url:

        def status(token: str) -> int:
            return httpx.get(f"{url}/metrics", headers=bearer(token)).status_code

        assert status("first") == 200
        secrets.append("second")
        assert (status("first"), status("second")) == (401, 200)
        secrets.append(None)
        assert (status("first"), status("second")) == (401, 200)


def test_bodies_are_taken_from_those_who_may_and_within_the_limit() -> None:
    taken: list[bytes] = []

    def answer(request: Posted) -> Reply:
        taken.append(request.body)
        return Reply(202, b"taken\n", headers={"Retry-After": "1"})

    post = Post(answer, Door(lambda: "sender"), limit=10)
    with serving(door=Door(lambda: "reader"), post=post) as url:

        def send(body: bytes, token: str = "sender") -> int:
            headers = bearer(token)
            return httpx.post(f"{url}/api/v1/things", content=body, headers=headers).status_code

        assert send(b"x" * 10) == 202
        assert send(b"x" * 11) == 413
        assert send(b"x" * 3, token="reader") == 401
        assert send(b"x" * 11, token="reader") == 401
        chunked = httpx.post(f"{url}/api/v1/things", content=iter([b"x"]), headers=bearer("sender"))
        assert chunked.status_code == 411
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sender:
            head = b"POST /api/v1/things HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sender\r\n"
            sender.sendall(head + "Content-Length: \u00b2\r\n\r\n".encode("latin-1"))
            assert b" 411 " in sender.recv(100)
        assert httpx.get(f"{url}/api/v1/things", headers=bearer("sender")).status_code == 404
        with httpx.Client(headers=bearer("sender")) as client:
            for number in range(3):  # over one connection
                reply = client.post(f"{url}/api/v1/things", content=str(number).encode())
                assert (reply.status_code, reply.headers["retry-after"]) == (202, "1")
    assert taken == [b"x" * 10, b"0", b"1", b"2"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.sign("server")


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.cert))


def serial(url: str, authority: Authority) -> str:
    """Return the serial number of the certificate that is shown now."""
    port = int(url.rsplit(":", 1)[1])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        shown = secured.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])


def test_a_renewed_certificate_is_shown_without_a_restart(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(pair.cert, cert)
    shutil.copy(pair.key, key)
    with serving(tls=TlsFiles(cert, key)) as url:
        assert httpx.get(f"{url}/metrics", verify=trusting(authority)).content == BODY
        first = serial(url, authority)
        renewed = authority.sign("renewed")
        shutil.copy(renewed.cert, cert)  # its key is not there yet: they do not fit
        assert serial(url, authority) == first
        shutil.copy(renewed.key, key)
        assert serial(url, authority) != first


def test_a_client_without_the_wanted_certificate_gets_nothing(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    client, stranger = authority.sign("client"), Authority(tmp_path, "other").sign("stranger")
    with serving(tls=TlsFiles(pair.cert, pair.key, client_ca=authority.cert)) as url:
        known = trusting(authority)
        known.load_cert_chain(client.cert, client.key)
        assert httpx.get(f"{url}/metrics", verify=known).content == BODY
        for shown in (None, stranger):
            context = trusting(authority)
            if shown is not None:
                context.load_cert_chain(shown.cert, shown.key)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{url}/metrics", verify=context)


def test_plain_http_old_tls_and_silence_end_one_connection_and_no_other(
    authority: Authority, pair: Pair
) -> None:
    with serving(tls=TlsFiles(pair.cert, pair.key)) as url:
        silent = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url.replace('https', 'http')}/metrics")
        assert httpx.get(f"{url}/metrics", verify=trusting(authority), timeout=2).content == BODY
        silent.close()


def test_a_certificate_that_cannot_be_used_is_refused_at_the_start(
    pair: Pair, tmp_path: Path
) -> None:
    other = Authority(tmp_path).sign("other")
    for files in (
        TlsFiles(pair.cert, other.key),
        TlsFiles(tmp_path / "absent.pem", pair.key),
        TlsFiles(pair.cert, pair.key, client_ca=pair.key),
    ):
        with pytest.raises(WrongInputError, match=r"exporter\.tls"):
            RenewedContext(files, place="exporter.tls")


def test_connections_are_bounded_and_room_is_made_when_they_end() -> None:
    with serving() as url:
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        held = [socket.create_connection(address) for _ in range(MAX_CONNECTIONS)]
        before = threading.active_count()

        def refused() -> bool:
            try:
                httpx.get(f"{url}/healthz", timeout=2)
            except httpx.TransportError:
                return True
            return False

        eventually(refused, within=10)
        assert threading.active_count() <= before + MAX_CONNECTIONS
        for one in held:
            one.close()
        eventually(lambda: not refused(), within=10)
