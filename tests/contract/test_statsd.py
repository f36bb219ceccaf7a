"""The `Statsd` contract: a socket that real datagrams reach, and the fake."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeStatsd
from airwarden.adapters.statsd import StatsdListener, parse
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import StatsdSample
from airwarden.core.ports import Statsd
from support.eventually import eventually

WANTED = ("scheduler.scheduler_loop_duration", "executor.open_slots.")


@dataclass
class Case:
    """A listener, and how a test reports to it."""

    statsd: Statsd
    report: Callable[[str], None]


def send(port: int, *datagrams: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for datagram in datagrams:
            out.sendto(datagram.encode(), ("127.0.0.1", port))


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "fake":
        fake = FakeStatsd()

        def report(line: str) -> None:
            sample = parse(line, "127.0.0.1")
            assert sample is not None
            fake.put(sample)

        yield Case(fake, report)
        return
    listener = StatsdListener("127.0.0.1", 0, wanted=WANTED)
    listener.open()
    yield Case(listener, lambda line: send(listener.port, f"airflow.{line}"))
    listener.close()


def test_what_came_is_taken_once_and_in_order(case: Case) -> None:
    case.report("scheduler.scheduler_loop_duration:81.5|ms")
    case.report("executor.open_slots.CeleryExecutor:5|g")
    taken: list[StatsdSample] = []

    def all_came() -> bool:
        taken.extend(case.statsd.drain())
        return len(taken) == 2

    eventually(all_came, within=5)
    assert taken == [
        StatsdSample("scheduler.scheduler_loop_duration", "timer", 81.5, sender="127.0.0.1"),
        StatsdSample("executor.open_slots.CeleryExecutor", "gauge", 5, sender="127.0.0.1"),
    ]
    assert list(case.statsd.drain()) == []


# Only the real one.


@pytest.fixture
def listen() -> Iterator[Callable[..., StatsdListener]]:
    made: list[StatsdListener] = []

    def make(port: int = 0, **options: Any) -> StatsdListener:
        listener = StatsdListener("127.0.0.1", port, wanted=WANTED, **options)
        made.append(listener)
        return listener

    yield make
    for listener in made:
        listener.close()


def test_memory_is_bounded_and_what_is_lost_is_counted(
    listen: Callable[..., StatsdListener],
) -> None:
    listener = listen(keep=3)
    listener.open()
    loop = "airflow.scheduler.scheduler_loop_duration"
    send(
        listener.port,
        "airflow.dag.a.b.duration:1|ms\nother.scheduler.scheduler_loop_duration:1|ms",
        f"{loop}:nan|ms\n{loop}:1|h\n{loop}\n{loop}:1|ms|@0",
        "\n".join(f"{loop}:{n}|ms" for n in range(5)),
        "\xff\x00",
    )
    eventually(lambda: listener.counts().datagrams == 4, within=5)
    counts = listener.counts()
    assert (counts.malformed, counts.dropped, counts.forwarded) == (4, 2, 0)
    assert [sample.value for sample in listener.drain()] == [0, 1, 2]
    send(listener.port, f"{loop}:9|ms")
    eventually(lambda: listener.counts().datagrams == 5, within=5)
    assert [sample.value for sample in listener.drain()] == [9]


def test_every_datagram_is_passed_on_as_it_came(listen: Callable[..., StatsdListener]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(5)
        listener = listen(forward=("127.0.0.1", target.getsockname()[1]))
        listener.open()
        for datagram in ("airflow.unknown.name:1|c\nx", "no statsd at all"):
            send(listener.port, datagram)
            assert target.recv(1000).decode() == datagram
    eventually(lambda: listener.counts().forwarded == 2, within=5)
    send(listener.port, "airflow.scheduler.scheduler_loop_duration:1|ms")  # nobody is there now
    send(listener.port, "airflow.scheduler.scheduler_loop_duration:2|ms")
    eventually(lambda: listener.counts().datagrams == 4, within=5)
    assert len(listener.drain()) == 2


def test_a_taken_address_is_unavailable_and_tried_again(
    listen: Callable[..., StatsdListener],
) -> None:
    first = listen()
    first.open()
    port = first.port
    second = listen(port)
    with pytest.raises(UnavailableError, match=str(port)):
        second.drain()
    first.close()
    assert list(second.drain()) == []
    assert second.port == port


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("a.b:3|c|@0.5", StatsdSample("a.b", "counter", 3, 0.5, "s")),
        ("a.b,dag=x,task=y:3|c", StatsdSample("a.b", "counter", 3, 1, "s")),
        ("a.b:3|c|#dag:x,task:y", StatsdSample("a.b", "counter", 3, 1, "s")),
        ("a.b:-3|g", StatsdSample("a.b", "gauge", -3, 1, "s", relative=True)),
        ("a.b:+3|g", StatsdSample("a.b", "gauge", 3, 1, "s", relative=True)),
        ("a.b:3|s", None),
        ("a.b:3", None),
        ("a.b", None),
        ("a.b:x|c", None),
        ("a.b:inf|g", None),
        ("a.b:1|c|@2", None),
    ],
)
def test_a_line_is_read_or_is_none(line: str, sample: StatsdSample | None) -> None:
    assert parse(line, "s") == sample
