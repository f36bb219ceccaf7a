"""Tells Airwarden why a task failed: an Airflow plugin in one file, for Airflow 2.10, 2.11 and 3.

Put it into Airflow's plugins folder on every machine that runs tasks, and name Airwarden's exporter:

    [airwarden]
    listener_url = https://airwarden.example:9810/api/v1/failures
    listener_token_file = /etc/airflow/airwarden.token
    # Several exporters: their addresses with commas. The cluster's name under `clusters:` in airwarden.yaml,
    # where that names several.
    listener_cluster =
    # Seconds that a failed task waits at most; PEM file of who signed the certificate of listener_url.
    listener_timeout = 1.0
    listener_ca_file =

(or AIRFLOW__AIRWARDEN__LISTENER_URL and so on). Without an address it does nothing.

What is sent of a failed attempt: its ids, the operator's class names, the classes of the exception and
of what caused it, numeric codes (errno, HTTP status, SQLSTATE, exit code), a hash of the message with
numbers and quoted parts taken out, the packages that the traceback ends in, and the ids of connections.
Never: the message, arguments, values of variables, a connection's content, source code.

A task never fails by it and never waits longer than `listener_timeout` seconds: everything happens in a
thread of its own, every error is caught, and what could not be sent is lost, with a line in the task's
log. It needs nothing but Airflow and the standard library.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

_log = logging.getLogger(__name__)

#: Version of the report's form.
FORM = 1
#: Exceptions of a chain, classes of one exception, frames from the end, connections, characters of a name.
MOST_CHAINED, MOST_CLASSES, MOST_FRAMES, MOST_CONNECTIONS, MOST_NAME = 6, 12, 40, 10, 200
#: Characters of a message that are hashed.
MOST_MESSAGE = 4096
#: Bytes of a report; a longer one is not sent.
MOST_BODY = 32_768
#: Longest time in seconds that a task waits, whatever is configured.
MOST_WAIT = 5.0
_CONNECTION = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_NAMED_CONNECTION = re.compile(r"conn_?id[\s=:'\"`]{1,4}([A-Za-z0-9_.\-]{1,64})")
_EXIT_CODE = re.compile(r"(?:exit|return) ?code:? (-?\d{1,5})\b")
_VARYING = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^`]*`|0x[0-9a-f]+|[0-9a-f]{8,}|/\S+|\d+", re.IGNORECASE
)


class FailureListener:
    """Reports failed attempts; Airflow calls it in the process that ran the task."""

    @hookimpl
    def on_task_instance_failed(
        self, previous_state: Any, task_instance: Any, error: Any = None
    ) -> None:
        """Send a report of the failure, within the time that is configured."""
        try:
            if not isinstance(error, BaseException):
                return  # set by a person, or by a scheduler: Airflow's audit log tells that
            url = _option("listener_url")
            if not url:
                return
            wait = min(float(_option("listener_timeout") or 1.0), MOST_WAIT)
            sending = threading.Thread(
                target=_report, args=(url, task_instance, error, wait), daemon=True
            )
            sending.start()
            sending.join(wait)
            if sending.is_alive():
                _log.info("Airwarden was not told of this failure within %s s", wait)
        except Exception as trouble:  # whatever it is, the task is not to suffer from it
            _log.info("Airwarden was not told of this failure: %s", type(trouble).__name__)


def _report(url: str, task_instance: Any, error: BaseException, wait: float) -> None:
    try:
        body = json.dumps(report(task_instance, error)).encode()
        urls = [one.strip() for one in url.split(",") if one.strip()]
        if len(body) > MOST_BODY:
            _log.info("Airwarden was not told of this failure: the report has %s bytes", len(body))
            return
        for one in urls:
            _send(one, body, wait / len(urls))
    except BaseException as trouble:  # also SystemExit: it is the thread that ends
        _log.info("Airwarden was not told of this failure: %s", type(trouble).__name__)


def _send(url: str, body: bytes, wait: float) -> None:
    try:
        status = _post(url, body, wait)
        if status >= 300:
            _log.info("Airwarden was not told of this failure: it answered %s", status)
    except Exception as trouble:  # another exporter may still be told
        _log.info("Airwarden was not told of this failure: %s", type(trouble).__name__)


def _post(url: str, body: bytes, wait: float) -> int:
    """Send once, without redirect or proxy; return the status."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        trusted = ssl.create_default_context(cafile=_option("listener_ca_file") or None)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=wait, context=trusted)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=wait)
    headers = {"Content-Type": "application/json"}
    token = _token()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", target, body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def report(task_instance: Any, error: BaseException) -> dict[str, Any]:
    """Return what is told of a failed attempt; every part of it is bounded."""
    task = getattr(task_instance, "task", None)
    chain = list(_chain(error))
    frames = [frame for one in chain for frame in _frames(one)]
    return {
        "form": FORM,
        "cluster": _option("listener_cluster"),
        "dag_id": _name(task_instance.dag_id),
        "run_id": _name(task_instance.run_id),
        "task_id": _name(task_instance.task_id),
        "map_index": int(getattr(task_instance, "map_index", -1)),
        "try_number": int(task_instance.try_number),
        "operator": [cls.__name__[:MOST_NAME] for cls in type(task).__mro__[:MOST_CLASSES]]
        if task is not None
        else [],
        "exceptions": [_exception(one) for one in chain],
        "packages": _packages(_frames(error)),
        "connections": _connections(task, frames, chain),
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what led to it, as a traceback would show it."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < MOST_CHAINED:
        yield one
        seen.add(id(one))
        if one.__cause__ is not None:
            one = one.__cause__
        else:
            one = None if one.__suppress_context__ else one.__context__


def _exception(one: BaseException) -> dict[str, Any]:
    message = _message(one)
    varying = _VARYING.sub("?", message)
    return {
        "classes": [
            f"{cls.__module__}.{cls.__qualname__}"[:MOST_NAME]
            for cls in type(one).__mro__[:MOST_CLASSES]
            if cls not in (object, BaseException)
        ],
        "codes": _codes(one, message),
        "hash": hashlib.sha256(varying.encode("utf-8", "replace")).hexdigest()[:16],
    }


def _message(one: BaseException) -> str:
    try:
        return str(one)[:MOST_MESSAGE]
    except Exception:  # an exception that cannot be printed is one, too
        return ""


def _codes(one: BaseException, message: str) -> list[str]:
    """Return numbers and short words by which a library tells what went wrong."""
    found: list[str] = []
    if isinstance(one, SystemExit):
        found.append(f"exit:{one.code if isinstance(one.code, int) else 1}")
    if isinstance(one, OSError) and isinstance(one.errno, int):
        found.append(f"errno:{one.errno}")
    for name in ("sqlstate", "pgcode"):
        state = _attribute(one, name)
        if isinstance(state, str) and re.fullmatch(r"[0-9A-Z]{5}", state):
            found.append(f"sqlstate:{state}")
    response = _attribute(one, "response")
    if isinstance(response, dict):  # botocore
        word = response.get("Error", {}).get("Code")
        if isinstance(word, str) and re.fullmatch(r"[A-Za-z0-9.]{1,64}", word):
            found.append(f"aws:{word}")
        response = None
    for holder, name in ((response, "status_code"), (one, "status_code"), (one, "code")):
        status = _attribute(holder, name) if holder is not None else None
        if isinstance(status, int) and not isinstance(status, bool) and 100 <= status < 600:
            found.append(f"http:{status}")
            break
    exited = _EXIT_CODE.search(message)
    if exited:
        found.append(f"exit:{exited.group(1)}")
    return list(dict.fromkeys(found))[:8]


def _attribute(of: object, name: str) -> Any:
    try:
        return getattr(of, name, None)
    except Exception:  # an exception of anybody's may compute its attributes, and fail
        return None


def _frames(one: BaseException) -> list[FrameType]:
    """Return the last frames of a traceback, innermost first."""
    found: list[FrameType] = []
    step = one.__traceback__
    while step is not None:
        found.append(step.tb_frame)
        if len(found) > MOST_FRAMES:
            del found[0]
        step = step.tb_next
    return found[::-1]


def _packages(frames: list[FrameType]) -> list[str]:
    """Return the top packages in which the traceback ends, innermost first; `dag` for a DAG's file."""
    found: list[str] = []
    for frame in frames:
        name = frame.f_globals.get("__name__")
        top = str(name).partition(".")[0][:MOST_NAME] if isinstance(name, str) else "?"
        top = "dag" if top.startswith("unusual_prefix_") else top
        if not found or found[-1] != top:
            found.append(top)
    return found[:8]


def _connections(task: object, frames: list[FrameType], chain: list[BaseException]) -> list[str]:
    """Return ids of connections: those in the traceback first, then those that the operator names.

    Only names that end in `conn_id` are looked at, and only values that can be no address.
    """
    found: dict[str, None] = {}

    def take(names: dict[str, Any]) -> None:
        for name, value in list(names.items()):
            if not isinstance(name, str) or not name.endswith("conn_id"):
                continue
            if isinstance(value, str) and _CONNECTION.fullmatch(value):
                found.setdefault(value, None)

    for one in chain:
        for word in _NAMED_CONNECTION.findall(_message(one)):
            found.setdefault(word, None)
    for frame in frames:
        take(frame.f_locals)
        take(_own(frame.f_locals.get("self")))
    take(_own(task))
    return list(found)[:MOST_CONNECTIONS]


def _own(of: object) -> dict[str, Any]:
    """Return an object's own attributes without calling any code of its class."""
    try:
        values = object.__getattribute__(of, "__dict__")
    except AttributeError:
        return {}
    return values if isinstance(values, dict) else {}


def _name(value: object) -> str:
    return str(value)[: MOST_NAME * 2]


def _option(name: str) -> str:
    return str(conf.get("airwarden", name, fallback="") or "").strip()


def _token() -> str:
    """Return the bearer token; a file is read anew each time, so that it can be replaced."""
    file = _option("listener_token_file")
    return Path(file).read_text(encoding="utf-8").strip() if file else _option("listener_token")


class AirwardenListenerPlugin(AirflowPlugin):
    """What Airflow's plugin manager looks for."""

    name = "airwarden_listener"
    listeners = [FailureListener()]  # noqa: RUF012 - Airflow's own form
