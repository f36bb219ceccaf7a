"""People's orders by buttons in Slack: by signed requests and over Socket Mode, by the same rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.adapters.slack import SlackChat
from airwarden.adapters.slack_socket import SlackSocket
from airwarden.remediation.composition import Signing
from airwarden.remediation.decide.buttons import Button
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.notify.slack import SlackComposer
from airwarden.remediation.operators import Operator, Operators, Role
from localplatform.endpoints.slack import signature, signed
from localplatform.endpoints.slack_socket import SocketMode
from support.endpoints import ServedEndpoints, endpoints
from support.eventually import eventually
from support.remediator import Running
from support.waiting_plan import fire, waiting

__all__ = ["endpoints"]
SECRET, OLD_SECRET = "signing-" + "s" * 24, "signing-" + "o" * 24
ADA, BO, PIPELINE, STRANGER = "U0ADA", "U0BO", "U0PIPE", "U0STRANGER"
PEOPLE = Operators(
    approvers=frozenset({"oncall"}),
    by_chat={
        ADA: Operator("ada", frozenset({"oncall"})),
        BO: Operator("bo", role=Role.VIEWER),
        PIPELINE: Operator("deploys", frozenset({"oncall"}), person=False),
    },
)

Press = Callable[[dict[str, Any]], None]


@dataclass
class Chat:
    """A remediator whose incidents are told in Slack, and the way in which presses reach it."""

    running: Running
    endpoints: ServedEndpoints
    send: Press

    def press(self, button: Button, user: str) -> dict[str, Any]:
        """Press a button of the newest message that has it; returns what Slack told of it."""
        payload = self.endpoints.slack.press(button.value, user)
        self.send(payload)
        return payload

    def whispered(self, user: str) -> str:
        """Return the last answer that only this person saw, once there is one."""
        found = eventually(
            lambda: [text for _, who, text in self.endpoints.slack.whispers if who == user],
            within=15,
            what=f"{user} is answered",
        )
        assert found
        return found[-1]

    def message(self) -> str:
        messages = list(self.endpoints.slack.messages.values())
        assert len(messages) == 1
        return str(messages[0].content)

    def asks(self) -> None:
        """Wait until the message asks for a yes."""
        waiting(self.running)
        eventually(lambda: Button.APPROVE.value in self.message(), within=15, what="it asks")


def secrets() -> Sequence[str]:
    return (SECRET, OLD_SECRET)


def remediator(endpoints: ServedEndpoints, folder: Path, **more: Any) -> Running:
    slack = SlackChat("xoxb-test-token", base_url=f"{endpoints.url}/api/")
    composed = {
        "chat": slack,
        "whispers": slack,
        "chat_composer": SlackComposer("#airflow", buttons=True),
        "signing": Signing(slack=secrets),
    }
    return Running(
        f"sqlite:///{folder / 'journal.db'}",
        mode=Mode.APPROVE,
        operators=PEOPLE,
        composed=composed,
        **more,
    )


def post(running: Running, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return running.http.post("/api/v1/slack", content=body, headers=headers)


@pytest.fixture(params=["http", "socket"])
def chat(
    request: pytest.FixtureRequest, endpoints: ServedEndpoints, tmp_path: Path
) -> Iterator[Chat]:
    if request.param == "http":
        running, presses = remediator(endpoints, tmp_path), count()

        def send(payload: dict[str, Any]) -> None:
            anew = {**payload, "trigger_id": str(next(presses))}
            assert post(running, *signed(anew, SECRET, time.time())).status_code == 200

        yield Chat(running, endpoints, send)
        running.stop()
        return
    mode = SocketMode(endpoints.slack)
    socket = SlackSocket("xapp-test-token", base_url=f"{endpoints.url}/api/")
    running = remediator(endpoints, tmp_path, chat_socket=socket)
    eventually(lambda: mode.connections == 1, within=15, what="Slack is connected to")

    def over_the_socket(payload: dict[str, Any]) -> None:
        envelope = mode.send(payload)
        eventually(lambda: envelope in mode.acknowledged, within=5, what="it is acknowledged")

    yield Chat(running, endpoints, over_the_socket)
    running.stop()
    mode.close()


def test_a_yes_by_a_button_is_carried_out_once_and_the_message_says_whose_it_was(
    chat: Chat,
) -> None:
    fire(chat.running)
    chat.asks()
    pressed = chat.press(Button.APPROVE, ADA)
    eventually(lambda: chat.running.machine.restarts == 1, within=20)
    eventually(lambda: "approved by ada" in chat.message(), within=15, what="the message says so")
    eventually(lambda: "Resolved" in chat.message(), within=30)
    assert Button.APPROVE.value not in chat.message()
    assert (
        "Approved by ada: by a button in Slack."
        in (chat.running.get("/api/v1/incidents/1/explain")["text"])
    )
    # The same press again, signed anew: its plan was decided on.
    chat.send(pressed)
    assert "Nothing was changed" in chat.whispered(ADA)
    assert chat.running.machine.restarts == 1


def test_who_may_not_is_told_so_alone_and_nothing_happens(chat: Chat) -> None:
    fire(chat.running)
    chat.asks()
    said = {
        STRANGER: f"add slack_user: {STRANGER} to your entry",
        BO: "bo may only look",
        PIPELINE: "only a person may approve a plan",
    }
    for user, expected in said.items():
        chat.press(Button.APPROVE, user)
        assert expected in chat.whispered(user)
    assert chat.running.machine.restarts == 0
    assert waiting(chat.running)["plan"]
    chat.press(Button.DENY, ADA)
    eventually(lambda: "denied by ada" in chat.message(), within=15)
    assert chat.running.machine.restarts == 0


def test_a_button_of_a_plan_that_changed_is_worth_nothing(chat: Chat) -> None:
    fire(chat.running)
    chat.asks()
    old = chat.endpoints.slack.press(Button.APPROVE.value, ADA)
    first = waiting(chat.running)["nonce"]
    chat.running.machine.generation = 7
    chat.press(Button.APPROVE, ADA)
    eventually(lambda: waiting(chat.running)["nonce"] != first, within=20, what="another plan")
    assert chat.running.machine.restarts == 0
    chat.send(old)
    assert "approved already, by ada" in chat.whispered(ADA) or "another one" in (
        chat.whispered(ADA)
    )
    assert chat.running.machine.restarts == 0


def test_an_incident_is_taken_and_given_back_by_buttons(chat: Chat) -> None:
    fire(chat.running)
    chat.asks()
    chat.press(Button.TAKE, ADA)
    eventually(lambda: "In a person's hands" in chat.message(), within=15)
    assert chat.running.get("/api/v1/incidents/1")["owner"] == "ada"
    assert Button.APPROVE.value not in chat.message()
    chat.press(Button.RELEASE, ADA)
    chat.asks()
    assert chat.running.get("/api/v1/incidents/1")["owner"] == ""


@pytest.fixture
def http(endpoints: ServedEndpoints, tmp_path: Path) -> Iterator[Running]:
    running = remediator(endpoints, tmp_path)
    yield running
    running.stop()


def test_a_press_counts_only_if_slack_signed_it_lately_and_once(
    http: Running, endpoints: ServedEndpoints
) -> None:
    fire(http)
    waiting(http)
    eventually(
        lambda: (
            endpoints.slack.messages
            and Button.APPROVE.value in str(next(iter(endpoints.slack.messages.values())).content)
        ),
        within=15,
    )
    payload = endpoints.slack.press(Button.APPROVE.value, ADA)
    now = time.time()
    good, headers = signed(payload, OLD_SECRET, now)
    refused = [
        signed(payload, "another-secret", now),
        signed(payload, SECRET, now - 400),
        signed(payload, SECRET, now + 400),
        (good.replace(b"U0ADA", b"U0BOB"), headers),
        (good, {**headers, "x-slack-request-timestamp": "soon"}),
        (good, {**headers, "x-slack-request-timestamp": str(int(now) - 1)}),
        (good, {}),
    ]
    for body, shown in refused:
        assert post(http, body, shown).status_code == 401
    assert http.machine.restarts == 0
    assert post(http, good, headers).status_code == 200
    assert post(http, good, headers).status_code == 409
    eventually(lambda: http.machine.restarts == 1, within=20)


def test_without_a_secret_there_is_no_door(tmp_path: Path) -> None:
    running = Running(f"sqlite:///{tmp_path / 'journal.db'}")
    try:
        for path in ("/api/v1/slack", "/api/v1/pagerduty"):
            assert running.http.post(path, content=b"{}").status_code == 404
    finally:
        running.stop()


def test_a_press_that_is_none_of_ours_is_left_alone(http: Running) -> None:
    for payload in (
        {"type": "view_submission"},
        {"type": "block_actions", "user": "nobody"},
        {
            "type": "block_actions",
            "user": {"id": ADA},
            "channel": {"id": "C1"},
            "actions": [{"action_id": "somebody.elses", "value": "1"}],
        },
    ):
        assert post(http, *signed(payload, SECRET, time.time())).status_code == 200
    answer = post(http, b"nothing", signature(b"nothing", SECRET, time.time()))
    assert answer.status_code == 400


def test_the_socket_comes_back_after_a_cut_and_on_request(
    endpoints: ServedEndpoints, tmp_path: Path
) -> None:
    mode = SocketMode(endpoints.slack)
    heard: list[str] = []
    socket = SlackSocket("xapp-test-token", base_url=f"{endpoints.url}/api/", ping_every=0.2)
    socket.open(lambda payload: heard.append(str(payload["n"])))
    try:
        eventually(lambda: mode.connections == 1, within=15)
        mode.send({"n": 1})
        eventually(lambda: heard == ["1"], within=5)
        mode.refresh()
        eventually(lambda: mode.welcomed == 2, within=15, what="it connects anew when asked")
        eventually(lambda: mode.connections == 1, within=15, what="the old connection is let go")
        mode.cut()
        eventually(lambda: mode.welcomed == 3, within=30, what="it connects again after a cut")
        eventually(lambda: mode.connections == 1, within=15)
        mode.send({"n": 2})
        eventually(lambda: heard == ["1", "2"], within=5)
    finally:
        socket.close()
        mode.close()


def test_the_socket_goes_nowhere_but_to_slack(
    endpoints: ServedEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever answers in Slack's place cannot send us elsewhere, nor can the environment's proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    endpoints.slack.socket_url = "wss://elsewhere.example/link?ticket={ticket}"
    socket = SlackSocket("xapp-test-token", base_url=f"{endpoints.url}/api/")
    socket.open(lambda _payload: None)
    try:
        eventually(lambda: endpoints.slack.tickets, within=15, what="an address was asked for")
        assert not socket.connected
        mode = SocketMode(endpoints.slack)
        eventually(lambda: mode.connections == 1, within=20, what="the right one is gone to")
        mode.close()
    finally:
        socket.close()
