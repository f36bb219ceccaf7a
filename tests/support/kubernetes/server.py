"""The API server: TLS, bearer tokens, Roles, faults, watches; and the cluster that a test holds."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from support.certificates import Authority
from support.kubernetes import kubelet
from support.kubernetes.controllers import Controllers
from support.kubernetes.faults import Fault, FaultQueue
from support.kubernetes.rbac import Asked, User, authorize
from support.kubernetes.requests import NAMESPACES, Api, Place, Request, chosen, discovery, parse
from support.kubernetes.resources import BY_PLURAL, ApiError, Json
from support.kubernetes.store import Change, Store, now

ADMIN_TOKEN = secrets.token_urlsafe(16)
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0-fake"}


class FakeCluster:
    """An API server on loopback, with its controllers.

    Args:
        folder: Where certificates and kubeconfigs are written.
        kubelet: Whether pods become ready, and go when they are deleted, by themselves.

    Attributes:
        faults: What goes wrong, and which requests came.
        kubelet: May be changed while it runs.
        moment: What time it is for the kubelet.
    """

    def __init__(self, folder: Path, *, kubelet: bool = False) -> None:
        self._folder = folder
        self.kubelet = kubelet
        self.moment: Callable[[], str] = now
        self.faults = FaultQueue()
        self.tokens: dict[str, User] = {ADMIN_TOKEN: User("admin", master=True)}
        controllers = Controllers(lambda: self.store)
        self.store = Store(lambda: self._settle(controllers))
        self.api = Api(self.store, self.tokens)
        self.store.create(NAMESPACES, "", {"metadata": {"name": "default"}})
        authority = Authority(folder)
        pair = authority.sign("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self.ca_file = authority.cert
        self._server = _Server(self, context)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and every connection to it."""
        self._server.shutdown()
        self._server.end()
        self._thread.join(5)

    def cut(self) -> int:
        """Break every connection that is open now, watches among them; returns how many."""
        return self._server.cut()

    def kubeconfig(self, token: str = ADMIN_TOKEN, namespace: str = "default") -> Path:
        """Write a kubeconfig for a token."""
        path = self._folder / f"kubeconfig-{secrets.token_hex(4)}"
        server = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "fake", "user": "user", "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": server}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": context}],
            "current-context": "fake",
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def set_status(self, plural: str, namespace: str, name: str, status: Json) -> None:
        """Let an object have this status."""
        resource = BY_PLURAL[plural]
        with self.store.changed:
            self.store.patch(
                resource, namespace, name, lambda seen: {**seen, "status": status}, part="status"
            )

    def break_with(self, fault: Fault) -> Fault:
        """Let something go wrong from the next request on."""
        return self.faults.add(fault)

    def _settle(self, controllers: Controllers) -> None:
        controllers.settle()
        if not self.kubelet:
            return
        for pod in self.store.every("pods"):
            meta, space = pod["metadata"], pod["metadata"]["namespace"]
            resource, name = BY_PLURAL["pods"], meta["name"]
            if meta.get("deletionTimestamp"):
                if not meta.get("finalizers"):
                    self.store.delete(resource, space, name, grace=0)
            elif not pod["spec"].get("nodeName"):
                spec = {**pod["spec"], "nodeName": "node-1"}
                self.store.replace(resource, space, name, {**pod, "spec": spec})
                self.set_status("pods", space, name, kubelet.running(pod, self.moment()))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cluster: FakeCluster, context: ssl.SSLContext) -> None:
        self.cluster, self._context = cluster, context
        self.open: set[socket.socket] = set()
        self.ending = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        plain.settimeout(60)
        wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.open.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def cut(self) -> int:
        ends = list(self.open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return len(ends)

    def end(self) -> None:
        self.ending.set()
        with self.cluster.store.changed:
            self.cluster.store.changed.notify_all()
        self.cut()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the library's names

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        watches = query.get("watch") in ("true", "True", "1")
        fault = self.server.cluster.faults.take("WATCH" if watches else self.command, self.path)
        if fault is not None:
            self.server.ending.wait(fault.delay)
            if fault.drop == "before":
                self._hang_up()
                return
            if fault.status:
                self._refuse(
                    ApiError(
                        fault.status, "Injected", "injected by the test",
                        retry_after=fault.retry_after,
                    )
                )  # fmt: skip
                return
        try:
            user = self._who()
            if watches:
                self._watch(self._place(parts.path), user, query)
                return
            code, answer = self._answer(parts.path, user, query, body)
        except ApiError as error:
            self._refuse(error)
            return
        if fault is not None and fault.drop == "after":
            self._hang_up()
            return
        self._send(code, answer)

    def _who(self) -> User:
        kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if not token:
            return User("system:anonymous")
        user = self.server.cluster.tokens.get(token) if kind == "Bearer" else None
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return user

    def _place(self, path: str) -> Place:
        place = parse(path)
        if place is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return place

    def _answer(
        self, path: str, user: User, query: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        if path == "/version":
            return 200, _VERSION
        if (told := discovery(path)) is not None and self.command == "GET":
            return 200, told
        place = self._place(path)
        verb = "list" if self.command == "GET" and not place.name else _VERBS[self.command]
        self._authorize(user, verb, place)
        try:
            content = json.loads(body) if body else None
        except ValueError:
            raise ApiError(400, "BadRequest", "the body is no JSON") from None
        kind = (self.headers.get("Content-Type") or "").partition(";")[0]
        return self.server.cluster.api.answer(Request(verb, place, query, content, kind))

    def _authorize(self, user: User, verb: str, place: Place) -> None:
        resource = place.resource
        named = f"{resource.plural}/{place.part}" if place.part else resource.plural
        asked = Asked(verb, resource.group, named, place.namespace, place.name)
        with self.server.cluster.store.changed:
            authorize(self.server.cluster.store, user, asked)

    def _watch(self, place: Place, user: User, query: Mapping[str, str]) -> None:
        self._authorize(user, "watch", place)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self._events(place, query):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _events(self, place: Place, query: Mapping[str, str]) -> Iterator[Json]:
        store, resource = self.server.cluster.store, place.resource
        end = time.monotonic() + float(query.get("timeoutSeconds") or 1800)
        asked = query.get("resourceVersion") or "0"
        with store.changed:
            position = int(asked)
            first = store.every(resource.plural, place.namespace) if position == 0 else []
            first = [json.loads(json.dumps(one)) for one in first]
            position = position or store.version
        yield from ({"type": "ADDED", "object": one} for one in first if chosen(one, query))
        while not self.server.ending.is_set():
            with store.changed:
                try:
                    changes = list(store.since(position, resource))
                except ApiError as expired:
                    yield {"type": "ERROR", "object": expired.status}
                    return
                position = store.version
                left = end - time.monotonic()
                if not changes and left > 0:
                    store.changed.wait(left)
                    continue
            for change in changes:
                yield from _told(change, place.namespace, query)
            if left <= 0:
                break
        if query.get("allowWatchBookmarks") in ("true", "True"):
            mark = {"resourceVersion": str(position)}
            kind = {"kind": resource.kind, "apiVersion": resource.api_version}
            yield {"type": "BOOKMARK", "object": {**kind, "metadata": mark}}

    def _refuse(self, error: ApiError) -> None:
        self._send(error.code, error.status, retry_after=error.retry_after)

    def _send(self, code: int, answer: Any, *, retry_after: int | None = None) -> None:
        text = isinstance(answer, str)
        payload = answer.encode() if text else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _told(change: Change, namespace: str, query: Mapping[str, str]) -> Iterator[Json]:
    """Return the event of a change for who selects: what leaves the selection is deleted for them."""
    if namespace not in ("", change.thing["metadata"].get("namespace", "")):
        return
    is_in = chosen(change.thing, query)
    was_in = change.before is not None and chosen(change.before, query)
    kind = change.kind
    if kind == "MODIFIED" and is_in != was_in:
        kind = "ADDED" if is_in else "DELETED"
    if is_in or was_in:
        yield {"type": kind, "object": change.thing}
