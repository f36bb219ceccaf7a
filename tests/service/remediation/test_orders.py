"""People's orders over HTTP: approvals, rights, the kill switch in real time, windows, on both journals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from airwarden.core.clock import Clock
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.operators import Operator, Operators, digest
from airwarden.remediation.world import World
from support.engine import Ask, Machine
from support.eventually import eventually
from support.many_targets import Fleet
from support.remediator import Kit, Running, quick_playbook
from support.waiting_plan import fire, waiting

ADA, BO, PIPELINE = "ada-" + "a" * 28, "bo-" + "b" * 29, "pipeline-" + "p" * 23
PEOPLE = Operators(
    {
        digest(ADA): Operator("ada", frozenset({"oncall", "platform"})),
        digest(BO): Operator("bo", frozenset({"data"})),
        digest(PIPELINE): Operator("deploys", frozenset({"oncall"}), person=False),
    },
    approvers=frozenset({"oncall"}),
    admins=frozenset({"platform"}),
)


@pytest.fixture
def approving(journal_url: str) -> Iterator[Running]:
    """On either journal."""
    running = Running(journal_url, mode=Mode.APPROVE, operators=PEOPLE)
    yield running
    running.stop()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Running]:
    """On SQLite: for what the journal has no part in."""
    running = Running(f"sqlite:///{tmp_path / 'one.db'}", mode=Mode.APPROVE, operators=PEOPLE)
    yield running
    running.stop()


def test_of_two_who_decide_at_once_one_does(approving: Running) -> None:
    fire(approving)
    nonce = waiting(approving)["nonce"]
    orders = ["approve", "deny"] * 4

    def send(order: str) -> httpx.Response:
        body = {"nonce": nonce, "reason": "at once"}
        return approving.post(f"/api/v1/incidents/1/{order}", body, token=ADA)

    with ThreadPoolExecutor(len(orders)) as pool:
        answers = list(pool.map(send, orders))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (len(orders) - 1)
    won = orders[[answer.status_code for answer in answers].index(200)]

    def over() -> bool:
        state = approving.get("/api/v1/incidents/1")["state"]
        return bool(state == ("RESOLVED" if won == "approve" else "ESCALATED"))

    eventually(over, within=30)
    assert approving.machine.restarts == (1 if won == "approve" else 0)
    # Replayed later, it is refused still.
    again = send("approve")
    assert again.status_code == 409
    assert "already" in again.json()["detail"] or "no decision" in again.json()["detail"]


def test_who_may_not_is_told_what_it_takes(one: Running) -> None:
    fire(one)
    body = {"nonce": waiting(one)["nonce"]}
    path = "/api/v1/incidents/1/approve"
    refused = {
        BO: "bo may not approve a plan: that takes one of the groups oncall",
        PIPELINE: "only a person may approve a plan",
    }
    for token, said in refused.items():
        answer = one.post(path, body, token=token)
        assert (answer.status_code, said in answer.json()["detail"]) == (403, True)
    common = one.post(path, body)
    assert (common.status_code, "proves no person" in common.json()["detail"]) == (403, True)
    assert one.post(path, body, token="nobody").status_code == 401
    nameless = one.post(path, {}, token=ADA)
    assert (nameless.status_code, "nonce" in nameless.json()["detail"]) == (400, True)
    assert one.machine.restarts == 0
    assert one.post(path, body, token=ADA).status_code == 200
    eventually(lambda: one.machine.restarts == 1, within=30)
    text = one.get("/api/v1/incidents/1/explain", token=BO)["text"]
    assert "Approved by ada." in text


def test_a_pipeline_may_stop_and_maintain_and_never_arm(one: Running) -> None:
    order = {"for": "30m", "reason": "release 214", "cluster": "lab"}
    begun = one.post("/api/v1/maintenance", order, token=PIPELINE).json()["begun"][0]
    assert (begun["set_by"], begun["open"], begun["lasts"]) == ("deploys", True, "30m")
    other = one.post("/api/v1/maintenance", order, token=PIPELINE).json()["begun"][0]
    ended = one.post("/api/v1/maintenance", {"end": True, "id": begun["id"]}, token=PIPELINE)
    assert [seen["id"] for seen in ended.json()["ended"]] == [begun["id"]]
    left = one.get("/api/v1/windows?kind=maintenance")["windows"]
    assert [seen["id"] for seen in left] == [other["id"]]
    assert one.post("/api/v1/pause", {"reason": "x"}, token=PIPELINE).status_code == 200
    assert one.post("/api/v1/resume", {"reason": "x"}, token=PIPELINE).status_code == 403
    path = "/api/v1/playbooks/machine-restart/mode"
    low = {"mode": "off", "reason": "we replace it"}
    assert one.post(path, low, token=PIPELINE).status_code == 200
    back = {"mode": "approve", "reason": "done"}
    assert one.post(path, back, token=PIPELINE).status_code == 403
    assert one.post(path, back, token=ADA).status_code == 409
    over = {**back, "override": "known well"}
    assert one.post(path, over, token=BO).status_code == 403
    assert one.post(path, over, token=ADA).json()["playbooks"][0]["mode"] == "approve"


def test_freezes_come_again_by_the_wall_clock_and_only_a_person_ends_them(
    approving: Running,
) -> None:
    order = {
        "kind": "freeze",
        "for": "14h",
        "starts": "2026-01-31T18:00",
        "repeats": "FREQ=MONTHLY;BYMONTHDAY=-1",
        "timezone": "Europe/Berlin",
        "playbooks": ["machine-restart"],
        "reason": "the books",
    }
    answer = approving.post("/api/v1/windows", order)
    assert answer.status_code == 200
    (kept,) = approving.get("/api/v1/windows")["windows"]
    assert kept == answer.json()
    assert kept["timezone"] == "Europe/Berlin"
    number = kept["id"]
    end = f"/api/v1/windows/{number}/end"
    assert approving.post(end, {}, token=PIPELINE).status_code == 403
    assert approving.post(end, {}, token=BO).status_code == 200
    assert approving.get("/api/v1/windows")["windows"] == []
    for wrong, place in (
        ({"repeats": "FREQ=HOURLY"}, "repeats"),
        ({"timezone": "Mars"}, "timezone"),
        ({"starts": None}, "starts"),
        ({"starts": "2020-01-01", "repeats": ""}, "starts"),
        ({"until": "9999-12-31T23:59:59"}, "until"),
    ):
        refused = approving.post("/api/v1/windows", {**order, **wrong})
        assert (refused.status_code, place in refused.json()["detail"]) == (400, True), wrong
    assert approving.get("/api/v1/windows")["windows"] == []
    # What PostgreSQL cannot keep, or JSON cannot say, is no error of ours on either journal.
    for path, body in (
        ("pause", '{"reason": "a\\u0000b"}'),
        ("windows", '{"kind": "quiet", "for": "1h", "playbooks": ["a\\u0000b"]}'),
        ("pause", '{"reason": "a\\ud800b"}'),
        ("playbooks/machine-restart/mode", '{"mode": "off", "reason": "x", "override": "\\u0000"}'),
    ):
        headers = {"Authorization": f"Bearer {ADA}", "Content-Type": "application/json"}
        answer = approving.http.post(f"/api/v1/{path}", content=body, headers=headers)
        assert answer.status_code == 422, (path, answer.text)


def test_the_kill_switch_stops_a_fan_out_within_two_seconds(journal_url: str) -> None:
    moments: list[float] = []
    fleet = Fleet(500, after=lambda _unit: moments.append(time.monotonic()))
    machine = Machine()

    def kit(_journal: Journal, clock: Clock) -> Kit:
        checks = {name: Ask(name, machine, name) for name in ("sick", "well", "flag")}
        return Kit(World("lab", clock), {fleet.name: fleet}, checks)

    book = quick_playbook(steps=[{"id": "mend", "action": "fleet.mend"}])
    rails = Rails(ramp_from=1000, fan_out_most=1000)
    running = Running(journal_url, book=book, kit=kit, machine=machine, rails=rails)
    try:
        fire(running)
        eventually(lambda: len(moments) >= 5, within=30)
        assert running.post("/api/v1/pause", {"reason": "look at it"}).status_code == 200
        pulled = time.monotonic()

        def held() -> bool:
            return "kill-switch" in str(running.get("/api/v1/incidents/1/explain")["text"])

        eventually(held, within=30)
        done = len(moments)
        late = [moment - pulled for moment in moments if moment > pulled]
        print(
            f"{done} effects, {len(late)} after the switch, last {max(late, default=0):.3f} s after"
        )
        assert done < 500
        assert max(late, default=0.0) < 2.0
        assert running.get("/api/v1/status")["in_flight"] == []
    finally:
        running.stop()
    assert len(moments) == done
