"""A real supervisord behind a proxy that is slow, fails, half-answers and lies: how each case ends.

One of its processes stands still, which supervisord itself calls RUNNING; the engine replaces it through
the real adapter. Whatever happens on the way it is replaced once, or a person is called.
"""

from __future__ import annotations

import os
import signal
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.host_supervisord import SupervisordHost
from airwarden.adapters.procfs import is_frozen, parent_pid
from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.core.ports import Host
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.world import Subject, World
from support.engine import alert, playbook
from support.eventually import eventually
from support.fault_proxy import (
    REPLY_CUT_IN_HALF,
    REPLY_NEVER,
    REPLY_RESET,
    REQUEST_NEVER,
    REQUEST_RESET,
    Fault,
    FaultProxy,
    refuse,
)
from support.lied_to import NEVER, A, Lie, LiedTo
from support.servers import freeze
from support.supervisord import PASSWORD, USER, Supervisord

NAME = "scheduler"
SIGNAL, READ_ONE, READ_ALL = "signalProcess", "getProcessInfo", "getAllProcessInfo"


class Runs:
    """Whether the process runs, by the host."""

    name, needs = "runs", frozenset({"host"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        assert world.host is not None
        try:
            one = _find(world.host)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, str(error))
        runs = one.state is ProcessState.RUNNING
        return Reading(Verdict.TRUE if runs else Verdict.FALSE, f"{one.name} is {one.state}")


def _find(host: Host) -> HostProcess:
    return next(one for one in host.processes() if one.name == NAME)


@pytest.fixture(scope="module")
def supervisord() -> Iterator[Supervisord]:
    server = Supervisord()
    yield server
    server.stop()


@dataclass
class Scene:
    """A process that stands still, and what stands between it and the engine."""

    server: Supervisord
    proxy: FaultProxy
    bench: LiedTo
    pids: list[int] = field(default_factory=list)

    def direct(self) -> HostProcess:
        """The process as supervisord tells it without the proxy."""
        host = SupervisordHost(
            self.server.url, {Component.SCHEDULER: (NAME,)}, username=USER, password=PASSWORD
        )
        return _find(host)

    def pid(self) -> int:
        pid = self.direct().pid
        assert pid is not None
        return pid

    def break_it(self) -> None:
        self.pids.append(self.pid())
        freeze(self.pids[0])
        one = alert(starts=self.bench.clock.now())
        labels = {**one.labels, "component": "scheduler", "process": NAME}
        one = replace(one, labels=labels)
        self.bench.alertmanager.shown.append(one)
        self.bench.deliver(one)

    def replace_it(self) -> None:
        """Somebody else ends it, and supervisord brings the next one."""
        os.kill(self.pids[0], signal.SIGKILL)
        eventually(lambda: self.direct().pid not in (None, self.pids[0]), within=10)


@pytest.fixture
def scene(supervisord: Supervisord, memory_path: Path) -> Iterator[Scene]:
    proxy = FaultProxy(supervisord.url.removesuffix("/RPC2"))
    host = SupervisordHost(
        f"{proxy.url}/RPC2",
        {Component.SCHEDULER: (NAME,)},
        username=USER,
        password=PASSWORD,
        timeout=0.5,
        exit_timeout=1.0,
        appear_timeout=2.0,
    )
    book = playbook(
        confirm={"check": "component-late", "times": 1, "every": "10s"},
        steps=[{"id": "restart", "action": "process.restart"}],
        verify={"check": "runs", "within": "60s", "stable": "20s"},
    )
    bench = LiedTo(memory_path, book, more_checks={"runs": Runs()}, host=host)
    scene = Scene(supervisord, proxy, bench)
    yield scene
    bench.close()
    proxy.close()
    if scene.pids and is_frozen(scene.pids[0]):
        scene.replace_it()


Arrange = Callable[[FaultProxy], None]


def on(method: str, fault: Fault, times: int = 1) -> Arrange:
    return lambda proxy: proxy.on("POST", "", fault, times=times, holding=method)


def fault(code: int, text: str) -> Fault:
    """supervisord's own refusal, which is an answer with 200."""
    body = xmlrpc.client.dumps(xmlrpc.client.Fault(code, text)).encode()
    return Fault(reach=False, status=200, body=body)


def told(change: Callable[[Any], Any]) -> Fault:
    """What supervisord says, changed."""

    def alter(body: bytes) -> bytes:
        (value,), _ = xmlrpc.client.loads(body)
        return xmlrpc.client.dumps((change(value),), methodresponse=True).encode()

    return Fault(alter=alter)


def each(**changes: Any) -> Fault:
    """The list of processes with fields of each replaced."""
    return told(lambda value: [{**one, **changes} for one in value])


def blind_after_the_effect(proxy: FaultProxy) -> None:
    """The signal is sent and its reply lost, and then the list is empty a few times."""

    def then(body: bytes) -> bytes:
        proxy.on("POST", "", told(lambda _: []), times=3, holding=READ_ALL)
        return body

    proxy.on("POST", "", Fault(alter=then, ends="reset"), holding=SIGNAL)


AGAIN = (A.NOT_DONE, A.CONFIRMED)
UNREAD = "cannot be read"
HTML = Fault(reach=False, status=200, body=b"<html>")
#: A small text that would grow to gigabytes.
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">' + b"".join(
    f'<!ENTITY {chr(c + 1)} "{f"&{chr(c)};" * 10}">'.encode() for c in range(98, 110)
) + b"]><methodResponse><params><param><value><string>&n;</string></value></param></params></methodResponse>"  # fmt: skip
LIES: tuple[Lie[FaultProxy], ...] = (
    Lie("nothing is wrong: it stands still and is called RUNNING", lambda _: None, quick=True),
    Lie("done, reply reset", on(SIGNAL, REPLY_RESET)),
    Lie("done, reply cut in half", on(SIGNAL, REPLY_CUT_IN_HALF)),
    Lie("done, reply never comes", on(SIGNAL, REPLY_NEVER)),
    Lie("done, and says 500", on(SIGNAL, Fault(status=500))),
    Lie("done, and the list is empty for a while", blind_after_the_effect, quick=True),
    Lie("not done, request reset", on(SIGNAL, REQUEST_RESET), AGAIN),
    Lie("not done, request swallowed", on(SIGNAL, REQUEST_NEVER), AGAIN),
    Lie("not done, 503", on(SIGNAL, refuse(503)), AGAIN),
    Lie("503 each time", on(SIGNAL, refuse(503), 0), (A.NOT_DONE,) * 2, "did not happen 2 times"),
    Lie("it is shutting down", on(SIGNAL, fault(6, "SHUTDOWN_STATE"), 0), (A.FAILED,), "SHUTDOWN_STATE"),
    Lie("it has no such process", on(SIGNAL, fault(10, "BAD_NAME"), 0), (A.FAILED,), "no process"),
    Lie("it says that it does not run, once", on(SIGNAL, fault(70, "NOT_RUNNING")), (A.FAILED, A.CONFIRMED)),
    Lie("reading fails a few times", on(READ_ALL, refuse(500), 3)),
    Lie("reading is half-answered a few times", on(READ_ALL, REPLY_CUT_IN_HALF, 3)),
    Lie("reading fails for good", on(READ_ALL, refuse(500), 0), NEVER, UNREAD),
    Lie("a refusal for good", on(READ_ALL, fault(1, "UNKNOWN_METHOD"), 0), NEVER, UNREAD),
    Lie("reading never ends", on(READ_ALL, REPLY_NEVER, 0), NEVER, UNREAD),
    Lie("reading drips", on(READ_ALL, Fault(ends="drip"), 0), NEVER, UNREAD),
    Lie("a page of HTML", on(READ_ALL, HTML, 0), NEVER, UNREAD),
    Lie("a text that grows", on(READ_ALL, Fault(status=200, body=BOMB), 0), NEVER, UNREAD),
    Lie("no list", on(READ_ALL, told(lambda _: 7), 0), NEVER, UNREAD),
    Lie("an empty list", on(READ_ALL, told(lambda _: []), 0), NEVER, UNREAD, quick=True),
    Lie("processes without a state", on(READ_ALL, told(lambda v: [{"name": "x"} for _ in v]), 0), NEVER, UNREAD),
    Lie("a start that is no number", on(READ_ALL, each(start="now"), 0), NEVER, UNREAD),
    Lie("a start after all time", on(READ_ALL, each(start="9" * 30), 0), NEVER, UNREAD),
    Lie("the pid of somebody else's process", on(READ_ALL, each(pid=os.getpid()), 0), NEVER, UNREAD),
    Lie("another process than it was asked for", on(READ_ONE, told(lambda v: {**v, "name": "other"}), 0), (A.NOT_DONE,) * 2, "did not happen"),
)  # fmt: skip


def _lies() -> list[object]:
    marks = {True: (), False: (pytest.mark.reliability,)}
    return [pytest.param(lie, id=lie.name, marks=marks[lie.quick]) for lie in LIES]


@pytest.mark.parametrize("lie", _lies())
def test_it_is_replaced_once_or_a_person_is_called(scene: Scene, lie: Lie[FaultProxy]) -> None:
    lie.arrange(scene.proxy)
    scene.break_it()
    scene.bench.run(lie.seconds)
    scene.bench.ends_as(lie)
    replaced = scene.pid() != scene.pids[0]
    assert replaced is (A.CONFIRMED in lie.attempts)
    assert scene.proxy.count("POST", holding=SIGNAL) <= 1
    assert parent_pid(scene.pid()) == scene.server.child.pid


def test_what_was_replaced_between_the_reading_and_the_effect_is_left_alone(scene: Scene) -> None:
    scene.break_it()
    # supervisord tells starts in whole seconds: the next one is to be newer than the alert.
    second = int(time.time())
    eventually(lambda: int(time.time()) > second, within=5)
    scene.proxy.on("POST", "", Fault(before=scene.replace_it), holding=READ_ONE)
    scene.bench.run(240)
    new = scene.pid()
    scene.bench.ends_as(Lie("", lambda _: None, (A.FAILED,)))
    assert scene.proxy.count("POST", holding=SIGNAL) == 0
    assert scene.pid() == new
