"""A real Airflow behind a proxy that is slow, fails, half-answers and lies: how each case ends.

The engine holds one pool through the real adapter. Whatever the network does to it, the journal must
end with the truth, the pool must be held once or a person be called, and nothing be repeated blindly.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.core.errors import UnavailableError
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import World
from support.airflow_api import DAG_ID, PASSWORD, POOL, USER, AirflowApi
from support.engine import Bench, playbook
from support.fault_proxy import (
    BAD_GATEWAY_AFTERWARDS,
    REPLY_CUT_IN_HALF,
    REPLY_NEVER,
    REPLY_RESET,
    REQUEST_NEVER,
    REQUEST_RESET,
    Fault,
    FaultProxy,
    refuse,
)

A = AttemptState
HELD, SLOTS = 1, 4
PATCH = ("PATCH", f"/pools/{POOL}")
GETS = ("GET", "/pools")


class AirflowBench(Bench):
    """The engine with one pool of a real Airflow to hold, through the proxy; its time is virtual."""

    def __init__(self, folder: Path, proxy: FaultProxy, *, timeout: float) -> None:
        hold = {"id": "hold", "action": "pool.hold", "with": {"pools": [POOL], "floor": HELD}}
        book = playbook(confirm={"check": "sick", "times": 1, "every": "10s"}, steps=[hold])
        super().__init__(f"sqlite:///{folder / 'journal.db'}", books=[book])
        self.tokens = PasswordToken(proxy.url, USER, lambda: PASSWORD, timeout=timeout)
        self.airflow = AirflowRest(
            proxy.url, self.tokens, timeout=timeout, elapsed=self.clock.elapsed
        )
        breakers = JournalBreakers(self.journal)
        self.worlds = {"lab": World("lab", self.clock, airflow=self.airflow, breakers=breakers)}
        self.parts = replace(self.parts, actions=actions())
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, actions(), self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)


@pytest.fixture
def begin() -> Iterator[Callable[..., AirflowBench]]:
    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **keywords: Any) -> AirflowBench:
            bench = AirflowBench(*arguments, **keywords)
            stack.callback(bench.close)
            return bench

        yield make


@pytest.fixture
def proxy(airflow_api: AirflowApi) -> Iterator[FaultProxy]:
    proxy = FaultProxy(airflow_api.url)
    yield proxy
    proxy.close()
    _set_slots(airflow_api, SLOTS)


def _set_slots(api: AirflowApi, slots: int) -> None:
    api.database.execute("UPDATE slot_pool SET slots = %s WHERE pool = %s", slots, POOL)


def _slots(api: AirflowApi) -> int:
    return int(api.database.execute("SELECT slots FROM slot_pool WHERE pool = %s", POOL)[0][0])


@dataclass(frozen=True)
class Case:
    """One way to fail, and how it has to end.

    Attributes:
        attempts: The states of the attempts, in order.
        sent: PATCH requests that reached Airflow.
        held: Whether the pool is held in the end.
        handed: The incident is a person's in the end, and paged.
        apart: Least seconds between the first two attempts.
        arrange: Puts the faults on.
    """

    name: str
    arrange: Callable[[FaultProxy], None]
    attempts: tuple[AttemptState, ...]
    sent: int = 1
    held: bool = True
    handed: bool = False
    apart: float = 0.0
    quick: bool = False


def on_patch(fault: Fault, times: int = 1) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.on(*PATCH, fault, times=times)


def on_get(fault: Fault, times: int = 1) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.on(*GETS, fault, times=times)


def both(*arrangements: Callable[[FaultProxy], None]) -> Callable[[FaultProxy], None]:
    def arrange(proxy: FaultProxy) -> None:
        for one in arrangements:
            one(proxy)

    return arrange


def blind_after_the_effect(seconds: int) -> Callable[[FaultProxy], None]:
    """The reply is lost, and from then on reading fails too, for so many requests (0: for good)."""

    def arrange(proxy: FaultProxy) -> None:
        def lost(body: Any) -> Any:
            proxy.on(*GETS, refuse(503), times=seconds)
            return body

        proxy.on(*PATCH, Fault(rewrite=lost, ends="reset"))

    return arrange


def _without_entries(body: Any) -> Any:
    return {**body, "pools": []}


def _nothing_at_all(body: Any) -> Any:
    return {**body, "pools": [], "total_entries": 0}


ONCE = (A.CONFIRMED,)
AGAIN = (A.NOT_DONE, A.CONFIRMED)
CASES = (
    Case("nothing is wrong", lambda proxy: None, ONCE),
    Case("done, reply reset", on_patch(REPLY_RESET), ONCE, quick=True),
    Case("done, reply cut in half", on_patch(REPLY_CUT_IN_HALF), ONCE),
    Case("done, reply never comes", on_patch(REPLY_NEVER), ONCE),
    Case("done, the gateway says 502", on_patch(BAD_GATEWAY_AFTERWARDS), ONCE),
    Case("done, and reading is out for a while", blind_after_the_effect(9), ONCE),
    Case(
        "done, and reading is out for good",
        blind_after_the_effect(0),
        (A.UNDECIDABLE,),
        handed=True,
    ),
    Case("not done, request reset", on_patch(REQUEST_RESET), AGAIN, quick=True),
    Case("not done, request swallowed", on_patch(REQUEST_NEVER), AGAIN),
    Case("not done, 503", on_patch(refuse(503)), AGAIN),
    Case("503 each time", on_patch(refuse(503), 0), (A.NOT_DONE, A.NOT_DONE), 0, False, True),
    Case("429 with Retry-After", on_patch(refuse(429, Retry_After="30")), AGAIN, apart=30),
    Case("409", on_patch(refuse(409)), (A.FAILED, A.CONFIRMED), quick=True),
    Case("409 each time", on_patch(refuse(409), 0), (A.FAILED,) * 2, 0, False, True),
    Case("410", on_patch(refuse(410)), (A.FAILED,), 0, False, True),
    Case("401, the token has expired", on_patch(refuse(401)), ONCE),
    Case("reading fails a few times", on_get(refuse(502), 4), ONCE),
    Case("reading is half-answered a few times", on_get(REPLY_CUT_IN_HALF, 4), ONCE),
    Case("reading fails for good", on_get(refuse(503), 0), (), 0, False, True),
    Case("an HTML page with 200", on_get(Fault(status=200, body=b"<html>"), 0), (), 0, False, True),
    Case("a list without its entries", on_get(Fault(rewrite=_without_entries), 0), (), 0, False, True),
    Case("an empty list", on_get(Fault(rewrite=_nothing_at_all), 0), (), 0, False, True, quick=True),
    Case(
        "a reading 429 with Retry-After, then well",
        both(on_get(refuse(429, Retry_After="20"))),
        ONCE,
    ),
)  # fmt: skip


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    return [] if case.quick else [pytest.mark.reliability]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=_marks(case)) for case in CASES]
)
def test_the_journal_ends_with_the_truth(
    begin: Callable[..., AirflowBench],
    memory_path: Path,
    airflow_api: AirflowApi,
    proxy: FaultProxy,
    case: Case,
) -> None:
    bench = begin(memory_path, proxy, timeout=1.0)
    bench.tokens.token()
    bench.tokens._since -= 3600
    case.arrange(proxy)
    bench.fire()
    bench.run(100)
    bench.machine.healthy = True
    bench.run(300)
    attempts = bench.attempts()
    assert [one.state for one in attempts] == list(case.attempts), bench.story()
    assert proxy.count(*PATCH) == case.sent
    assert _slots(airflow_api) == (HELD if case.held else SLOTS)
    assert bool(bench.paged()) is case.handed
    if case.handed:
        assert any("Handed to people" in line for line in bench.story())
    else:
        assert bench.state() is IncidentState.RESOLVED, bench.story()
    if case.apart:
        waited = (attempts[1].created_at - attempts[0].created_at).total_seconds()
        assert waited >= case.apart


@pytest.mark.reliability
@pytest.mark.timeout(300)
def test_an_airflow_that_takes_thirty_seconds_is_given_up_and_asked_again(
    begin: Callable[..., AirflowBench],
    memory_path: Path,
    airflow_api: AirflowApi,
    proxy: FaultProxy,
) -> None:
    bench = begin(memory_path, proxy, timeout=5.0)
    proxy.on(*PATCH, Fault(wait=30))
    bench.fire()
    bench.run(100)
    assert [one.state for one in bench.attempts()] == [A.NOT_DONE, A.CONFIRMED]
    assert _slots(airflow_api) == HELD


def rest(proxy: FaultProxy) -> AirflowRest:
    return AirflowRest(proxy.url, PasswordToken(proxy.url, USER, lambda: PASSWORD), timeout=2.0)


def test_a_server_with_short_pages_is_read_to_the_end(proxy: FaultProxy) -> None:
    every = {pool.name for pool in rest(proxy).pools()}
    proxy.on("GET", "/pools", Fault(rewrite=lambda b: {**b, "pools": b["pools"][:1]}), times=0)
    assert {pool.name for pool in rest(proxy).pools()} == every
    assert len(every) > 1


def test_a_server_that_repeats_its_page_is_not_read_for_ever(proxy: FaultProxy) -> None:
    kept: list[Any] = []

    def first(body: Any) -> Any:
        kept.append(body)
        return {**kept[0], "total_entries": 10_000}

    proxy.on("GET", "/pools", Fault(rewrite=first), times=0)
    with pytest.raises(UnavailableError, match="same page"):
        rest(proxy).pools()


def test_a_cursor_that_loops_is_not_followed_for_ever(proxy: FaultProxy) -> None:
    page: dict[str, Any] = {"task_instances": [], "next_cursor": "again", "previous_cursor": None}
    loop = Fault(reach=False, status=200, body=json.dumps(page).encode())
    proxy.on("GET", "/taskInstances", loop, times=0)
    with pytest.raises(UnavailableError, match="twice"):
        rest(proxy).task_instances(dag_ids=[DAG_ID])
