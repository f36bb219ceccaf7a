"""A real Prometheus behind a proxy that is slow, fails, half-answers and lies: how each case ends.

A playbook of an operator confirms by `metric`. Whatever Prometheus says that makes no sense, or says of a
time that is over, is neither sick nor healthy: nothing is done and a person is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.prometheus import PrometheusApi
from support import monitoring
from support.engine import playbook
from support.eventually import eventually
from support.fault_proxy import Fault, FaultProxy, refuse
from support.lied_to import NEVER, Lie, LiedTo

GET = ("GET", "/api/v1/query")
_CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 400ms}}
scrape_configs:
  - {{job_name: machine, static_configs: [{{targets: ["{target}"]}}]}}
"""


def _page() -> str:
    """What the machine tells: it is down, and measured now; and a series that nobody writes any more."""
    now = time.time()
    return (
        f"machine_up 0\nmachine_read_timestamp_seconds {now}\n"
        f"frozen_up 0\nfrozen_read_timestamp_seconds {now - 600}\n"
        f"old_up 0 {int((now - 200) * 1000)}\n"
        'many_up{name="one"} 0\nmany_up{name="two"} 0\nno_number NaN\nendless +Inf\n'
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[monitoring.Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    machine = monitoring.Scripted(lambda *_: (200, _page()))
    (folder / "prometheus.yml").write_text(_CONFIG.format(target=machine.address))
    made = monitoring.Prometheus(folder)
    eventually(lambda: made.query("old_up"), within=20, what="the first scrape")
    yield made
    made.stop()
    machine.stop()


@pytest.fixture
def proxy(server: monitoring.Prometheus) -> Iterator[FaultProxy]:
    made = FaultProxy(server.url)
    yield made
    made.close()


@pytest.fixture
def bench_for(memory_path: Path, proxy: FaultProxy) -> Iterator[Callable[[str], LiedTo]]:
    made: list[LiedTo] = []

    def make(query: str) -> LiedTo:
        confirm = {
            "check": "metric",
            "with": {"query": query, "below": 1},
            "times": 2,
            "every": "5s",
        }
        api = PrometheusApi(proxy.url, timeout=0.5)
        made.append(LiedTo(memory_path, playbook(confirm=confirm), prometheus=api))
        return made[0]

    yield make
    for one in made:
        one.close()


Arrange = Callable[[FaultProxy], object]


def always(fault: Fault) -> Arrange:
    return lambda proxy: proxy.on(*GET, fault, times=0)


def first(times: int, fault: Fault) -> Arrange:
    return lambda proxy: proxy.on(*GET, fault, times=times)


def result(change: Callable[[Any], Any]) -> Arrange:
    """The real answer with its result replaced, for good."""

    def rewrite(body: Any) -> Any:
        return {**body, "data": {**body["data"], "result": change(body["data"]["result"])}}

    return always(Fault(rewrite=rewrite))


def kept_since(seconds: float) -> Arrange:
    """What a cache in between would give: the answer of a time that is over."""
    return result(lambda r: [{**one, "value": [one["value"][0] - seconds, "0"]} for one in r])


def said(body: bytes) -> Arrange:
    return always(Fault(reach=False, status=200, body=body))


#: Alive only while what tells of it is measured: the way out of a value that stands still.
ALIVE = "machine_up and on() (time() - machine_read_timestamp_seconds < 60)"
FROZEN = "frozen_up and on() (time() - frozen_read_timestamp_seconds < 60)"
UNREAD = "the metric cannot be read"
well = first(1, Fault())
LIES: tuple[tuple[str, Lie[FaultProxy]], ...] = (
    ("machine_up", Lie("nothing is wrong", well, quick=True)),
    (ALIVE, Lie("nothing is wrong, and it is measured", well)),
    ('many_up{name="$name"}', Lie("of the alert's own target", well)),
    ("machine_up", Lie("500 a few times", first(3, refuse(500)))),
    ("machine_up", Lie("429 a few times", first(3, refuse(429)))),
    ("machine_up", Lie("cut a few times", first(3, Fault(ends="half")))),
    ("machine_up", Lie("an empty answer a few times", first(3, Fault(rewrite=lambda b: {**b, "data": {"resultType": "vector", "result": []}})))),
    ("no_such_series", Lie("an empty answer", well, NEVER, UNREAD)),
    ("many_up", Lie("several where one is asked for", well, NEVER, UNREAD)),
    ("no_number", Lie("NaN", well, NEVER, UNREAD)),
    ("endless", Lie("infinity", well, NEVER, UNREAD)),
    ("old_up", Lie("stale: not written any more", well, NEVER, "was last written", quick=True)),
    (FROZEN, Lie("frozen: measured no more, and served", well, NEVER, UNREAD)),
    ("machine_up", Lie("frozen: an answer that was kept", kept_since(600), NEVER, "s old")),
    ("machine_up{", Lie("a query that it cannot read", well, NEVER, "parse error")),
    ('up{a="$nothing"}', Lie("a label that the alert lacks", well, NEVER, "no label")),
    ("machine_up", Lie("500 for good", always(refuse(500)), NEVER, UNREAD)),
    ("machine_up", Lie("no answer", always(Fault(ends="never")), NEVER, UNREAD)),
    ("machine_up", Lie("an answer that drips", always(Fault(ends="drip")), NEVER, UNREAD)),
    ("machine_up", Lie("reset", always(Fault(ends="reset")), NEVER, UNREAD)),
    ("machine_up", Lie("half a body for good", always(Fault(ends="half")), NEVER, UNREAD)),
    ("machine_up", Lie("a page of HTML", said(b"<html>"), NEVER, UNREAD)),
    ("machine_up", Lie("an object of its own", said(b"{}"), NEVER, UNREAD)),
    ("machine_up", Lie("no data", said(b'{"data": null}'), NEVER, UNREAD)),
    ("machine_up", Lie("lists without an end", said(b"[" * 100_000), NEVER, UNREAD)),
    ("machine_up", Lie("a text for a result", result(lambda _: "well"), NEVER, UNREAD)),
    ("machine_up", Lie("a value that is a word", result(lambda r: [{**r[0], "value": [1, "up"]}]), NEVER, UNREAD)),
    ("machine_up", Lie("no value", result(lambda r: [{"metric": {}}]), NEVER, UNREAD)),
    ("machine_up", Lie("no labels", result(lambda r: [{**r[0], "metric": None}]), NEVER, UNREAD)),
)  # fmt: skip


def _lies() -> list[object]:
    marks = {True: (), False: (pytest.mark.reliability,)}
    return [pytest.param(query, lie, id=lie.name, marks=marks[lie.quick]) for query, lie in LIES]


@pytest.mark.parametrize(("query", "lie"), _lies())
def test_what_makes_no_sense_is_neither_sick_nor_healthy(
    bench_for: Callable[[str], LiedTo], proxy: FaultProxy, query: str, lie: Lie[FaultProxy]
) -> None:
    bench = bench_for(query)
    lie.arrange(proxy)
    bench.fire()
    bench.run(lie.seconds)
    bench.ends_as(lie)
    assert bench.machine.restarts == len(lie.attempts)
    assert proxy.asked or "$nothing" in query


def test_no_question_and_no_token_go_to_another_host(
    bench_for: Callable[[str], LiedTo], proxy: FaultProxy
) -> None:
    asked: list[str] = []

    def answer(_: object, path: str, *__: object) -> tuple[int, str]:
        asked.append(path)
        return 200, '{"data": {"result": [{"metric": {}, "value": [1, "0"]}]}}'

    elsewhere = monitoring.Scripted(answer)
    try:
        bench = bench_for("machine_up")
        there = {"Location": f"http://{elsewhere.address}/api/v1/query"}
        always(Fault(reach=False, status=302, headers=there))(proxy)
        bench.fire()
        bench.run(240)
        bench.ends_as(Lie("", lambda _: None, NEVER, UNREAD))
        assert asked == []
    finally:
        elsewhere.stop()


def test_a_label_that_ends_the_text_does_not_change_the_question(
    bench_for: Callable[[str], LiedTo], proxy: FaultProxy
) -> None:
    bench = bench_for('many_up{name="$name"}')
    bench.fire(name='one"} or vector(0) or x{name="')
    bench.run(240)
    bench.ends_as(Lie("", lambda _: None, NEVER, UNREAD))
    assert "0 samples" in bench.incident.reason
