"""A real Alertmanager behind a proxy that is slow, fails, half-answers and lies: how each case ends.

It is asked right before each effect whether the alerts are still active: what it does not say, or says
without sense, lets nothing be done, and a person is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.adapters.alertmanager import AlertmanagerApi
from airwarden.core.alerts import Alert
from airwarden.remediation.decide.states import IncidentState
from support import monitoring
from support.engine import playbook
from support.eventually import eventually
from support.fault_proxy import Fault, FaultProxy, refuse
from support.lied_to import NEVER, ONCE, Lie, LiedTo

_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
GET = ("GET", "/api/v2/alerts")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[monitoring.Alertmanager]:
    made = monitoring.Alertmanager(tmp_path_factory.mktemp("alertmanager"), _CONFIG)
    yield made
    made.stop()


@pytest.fixture
def proxy(server: monitoring.Alertmanager) -> Iterator[FaultProxy]:
    made = FaultProxy(server.url)
    yield made
    made.close()
    server.clear()


@pytest.fixture
def bench(memory_path: Path, proxy: FaultProxy) -> Iterator[LiedTo]:
    book = playbook(confirm={"check": "sick", "times": 1, "every": "10s"})
    made = LiedTo(memory_path, book, alertmanager=AlertmanagerApi(proxy.url, timeout=0.3))
    yield made
    made.close()


def shown(server: monitoring.Alertmanager, name: str, **more: str) -> Alert:
    """Let an alert fire in the real one; returns it as that tells it."""
    labels = {"alertname": "MachineDown", "severity": "critical", "cluster": "lab", "name": name}
    server.post([{**labels, **more}])

    def mine() -> list[Alert]:
        every = AlertmanagerApi(server.url).alerts()
        return [one for one in every if one.labels.get("name") == name]

    (one,) = eventually(mine, within=10, what="the alert is shown")
    return one


def always(fault: Fault) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.on(*GET, fault, times=0)


def first(times: int, fault: Fault) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.on(*GET, fault, times=times)


def said(body: Any) -> Callable[[FaultProxy], None]:
    """Answer with this, with 200, for good."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return always(Fault(reach=False, status=200, body=raw))


def spoilt(**changes: Any) -> Callable[[FaultProxy], None]:
    """Pass the real list on with fields of each alert replaced, for good."""
    return always(Fault(rewrite=lambda body: [{**one, **changes} for one in body]))


UNREAD = "cannot be read: Alertmanager"
#: It may have ended by itself, so health is looked for, and not found.
NOT_SHOWN = "not healthy: well is False and nothing could be done"
LIES: tuple[Lie[FaultProxy], ...] = (
    Lie("nothing is wrong", lambda _: None, quick=True),
    Lie("500 a few times", first(4, refuse(500))),
    Lie("half a body a few times", first(4, Fault(ends="half"))),
    Lie("an empty list at first, as after its restart", first(3, Fault(rewrite=lambda _: []))),
    Lie("500 for good", always(refuse(500)), NEVER, UNREAD),
    Lie("404 for good", always(refuse(404)), NEVER, UNREAD),
    Lie("half a body for good", always(Fault(ends="half")), NEVER, UNREAD),
    Lie("cut off for good", always(Fault(ends="reset")), NEVER, UNREAD),
    Lie("no answer", always(Fault(ends="never")), NEVER, UNREAD),
    Lie("an answer that drips", always(Fault(ends="drip")), NEVER, UNREAD),
    Lie("a page of HTML", said(b"<html>"), NEVER, UNREAD),
    Lie("an object instead of a list", said({}), NEVER, UNREAD, quick=True),
    Lie("a text instead of a list", said(""), NEVER, UNREAD),
    Lie("a list of nothing", said([None]), NEVER, UNREAD),
    Lie("a list in lists, ten thousand deep", said(b"[" * 10_000), NEVER, UNREAD),
    Lie("labels that are numbers", spoilt(labels={"alertname": 7}), NEVER, UNREAD),
    Lie("no labels", spoilt(labels={}), NEVER, UNREAD),
    Lie("a start without a time zone", spoilt(startsAt="2026-03-01T12:00:00"), NEVER, UNREAD),
    Lie("a start before all time", spoilt(startsAt="0001-01-01T00:00:00+05:00"), NEVER, UNREAD),
    Lie("a fingerprint that is a list", spoilt(fingerprint=[]), NEVER, UNREAD),
    Lie("half a character", said(b'[{"fingerprint": "\\ud800"}]'), NEVER, UNREAD),
    Lie("an empty list while it fires", always(Fault(rewrite=lambda _: [])), NEVER, NOT_SHOWN, 500),
)  # fmt: skip


def _lies() -> list[object]:
    marks = {True: (), False: (pytest.mark.reliability,)}
    return [pytest.param(lie, id=lie.name, marks=marks[lie.quick]) for lie in LIES]


@pytest.mark.parametrize("lie", _lies())
def test_what_it_does_not_say_lets_nothing_be_done(
    bench: LiedTo, server: monitoring.Alertmanager, proxy: FaultProxy, lie: Lie[FaultProxy]
) -> None:
    one = shown(server, lie.name)
    lie.arrange(proxy)
    bench.machine.healthy = False
    bench.deliver(one)
    bench.run(lie.seconds)
    bench.ends_as(lie)
    assert bench.machine.restarts == len(lie.attempts)


@pytest.mark.reliability
def test_it_is_followed_nowhere_else(
    bench: LiedTo, server: monitoring.Alertmanager, proxy: FaultProxy
) -> None:
    asked: list[str] = []

    def answer(_: object, path: str, *__: object) -> tuple[int, str]:
        asked.append(path)
        return 200, "[]"

    elsewhere = monitoring.Scripted(answer)
    try:
        one = shown(server, "redirect")
        there = {"Location": f"http://{elsewhere.address}/api/v2/alerts"}
        always(Fault(reach=False, status=302, headers=there))(proxy)
        bench.machine.healthy = False
        bench.deliver(one)
        bench.run(240)
        bench.ends_as(Lie("", lambda _: None, NEVER, UNREAD))
        assert asked == []
    finally:
        elsewhere.stop()


def test_an_alert_that_cannot_be_taken_keeps_no_other_one_from_being_found(
    bench: LiedTo, server: monitoring.Alertmanager
) -> None:
    monster = shown(server, "monster", text="x" * 5000)
    shown(server, "beside it")
    bench.machine.healthy = False
    bench.run(120)
    assert bench.incident.labels["name"] == "beside it"
    assert bench.state() is IncidentState.RESOLVED
    assert monster.fingerprint not in str(bench.incidents())


def test_after_the_effect_its_silence_undoes_no_healing(
    bench: LiedTo, server: monitoring.Alertmanager, proxy: FaultProxy
) -> None:
    one = shown(server, "silent later")
    bench.machine.healthy = False
    bench.deliver(one)
    bench.run(5)
    assert bench.machine.restarts == 1
    always(refuse(500))(proxy)
    bench.run(240)
    bench.ends_as(Lie("", lambda _: None, ONCE))
    assert bench.machine.restarts == 1


@pytest.mark.reliability
def test_an_answer_without_an_end_is_given_up(proxy: FaultProxy) -> None:
    endless = Fault(reach=False, status=200, body=b" " * 65 * 1024 * 1024)
    always(endless)(proxy)
    with pytest.raises(Exception, match="longer than 64 MiB") as caught:
        AlertmanagerApi(proxy.url, timeout=20).alerts()
    assert not isinstance(caught.value, httpx.HTTPError)
