"""The API takes what its description allows, and whatever else comes, without an error of its own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from support.eventually import eventually
from support.remediator import API_TOKEN, WEBHOOK_TOKEN, Running
from support.repository import ROOT

SAMPLES = [
    json.loads(file.read_text())
    for file in sorted((ROOT / "tests" / "data" / "alertmanager").glob("*.json"))
]
INTAKE = "/api/v1/alerts"
#: More than this much grown memory would be a leak, or a body that was not bounded.
MEMORY = 150 << 20


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(f"sqlite:///{tmp_path / 'journal.db'}", with_alertmanager=False)
    yield running
    running.stop()


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def fuzz_operations(running: Running, examples: int) -> list[str]:
    """Call every operation with data made from its description; returns what was called."""
    app: Any = running.remediator._server._server.config.app
    described = schemathesis.openapi.from_dict(app.openapi())
    begun = psutil.Process().memory_info().rss
    called: list[str] = []
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        called.append(f"{operation.method.upper()} {operation.path}")

        @bounded(examples)
        @seed(1)
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            token = WEBHOOK_TOKEN if case.path == INTAKE else API_TOKEN
            answer = case.call(
                base_url=str(running.http.base_url),
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
            )
            assert answer.status_code < 500, (case, answer.status_code, answer.text[:500])

        call()
    assert psutil.Process().memory_info().rss - begun < MEMORY
    assert running.http.get("/healthz").status_code == 200
    return called


def test_no_operation_fails_on_what_its_description_allows(running: Running) -> None:
    called = fuzz_operations(running, examples=8)
    assert f"POST {INTAKE}" in called
    assert len(called) >= 12


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_no_operation_fails_on_what_its_description_allows_at_length(running: Running) -> None:
    assert fuzz_operations(running, examples=300)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "\0", "\ud800", "9999-12-31T23:59:59Z", "x" * 5000, "firing"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(body: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a JSON document."""
    found = [here] if here else []
    if isinstance(body, dict | list):
        items = body.items() if isinstance(body, dict) else enumerate(body)
        for key, value in items:
            found += places(value, (*here, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real delivery in which a few values are replaced, left out or repeated, then perhaps cut."""
    body = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(body) or [("alerts",)]))
        inner: Any = body
        for key in path[:-1]:
            inner = inner[key]
        match draw(st.sampled_from(["replace", "remove", "repeat", "add"])):
            case "replace":
                inner[path[-1]] = draw(JSON)
            case "remove":
                del inner[path[-1]]
            case "repeat" if isinstance(inner, list):
                inner.extend(copy.deepcopy(inner[path[-1]]) for _ in range(50))
            case _ if isinstance(inner, dict):
                inner[draw(st.text(max_size=8))] = draw(JSON)
    raw = json.dumps(body).encode("utf-8", "surrogatepass")
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 4)) == 0 else raw


def fuzz_deliveries(running: Running, examples: int) -> None:
    begun = psutil.Process().memory_info().rss
    statuses: dict[int, int] = {}

    @bounded(examples)
    @seed(2)
    @given(body=mutated())
    def deliver(body: bytes) -> None:
        answer: httpx.Response = running.webhook(body)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400), (answer.status_code, answer.text, body)

    deliver()
    assert set(statuses) == {200, 400}
    assert psutil.Process().memory_info().rss - begun < MEMORY


def test_a_mutated_delivery_is_taken_or_refused_and_what_is_taken_is_worked_off(
    running: Running,
) -> None:
    fuzz_deliveries(running, examples=120)
    worked_off(running)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_mutated_deliveries_at_length(running: Running) -> None:
    fuzz_deliveries(running, examples=5000)
    worked_off(running)


def worked_off(running: Running) -> None:
    def done() -> bool:
        seen = running.metrics()
        return seen['airwarden_inbox_pending{cluster="lab"}'] == 0

    eventually(done, within=60, what="all deliveries are worked off")
    assert running.metrics()['airwarden_inbox_set_aside{cluster="lab"}'] == 0
