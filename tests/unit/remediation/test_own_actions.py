"""`command.NAME` and `webhook.NAME`: only what the settings list, labels as arguments and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from airwarden.core.errors import (
    AirwardenError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.platform import Ended
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.own import CommandSpec, OwnCommand, OwnWebhook, WebhookSpec
from airwarden.remediation.actions.registry import actions
from support.small_world import Small, subject

ABOUT = subject({"node": "n1"})


@dataclass
class Programs:
    """Answers by the program's path."""

    codes: Mapping[str, int] = field(default_factory=dict)
    ran: list[Sequence[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, within: float) -> Ended:
        self.ran.append(list(argv))
        return Ended(self.codes.get(argv[0], 0), "it said so")


@dataclass
class Systems:
    """Takes what it is told, or raises."""

    error: AirwardenError | None = None
    told: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)

    def call(self, name: str, body: Mapping[str, Any], *, key: str) -> int:
        if self.error:
            raise self.error
        self.told.append((name, body, key))
        return 202


def command(**fields: Any) -> OwnCommand:
    return OwnCommand(CommandSpec("fix", run=("/bin/fix", "--node=$node"), **fields))


def only(planned: object) -> Effect:
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    return effect


def test_labels_become_arguments_and_nothing_more() -> None:
    programs = Programs()
    world = Small().world(commands=programs)
    evil = subject({"node": "n1; rm -rf / $(id) `id` && x"})
    effect = only(command().plan(world, evil, {}))
    command().apply(world, effect)
    assert programs.ran == [["/bin/fix", "--node=n1; rm -rf / $(id) `id` && x"]]


@pytest.mark.parametrize("value", ["", "-rf", "a\nb", "a\0b", "x" * 257])
def test_a_label_that_is_no_safe_argument_is_refused(value: str) -> None:
    programs = Programs()
    refused = command().plan(Small().world(commands=programs), subject({"node": value}), {})
    assert isinstance(refused, Refused)
    assert programs.ran == []


@pytest.mark.parametrize(("code", "kind"), [(0, Plan), (1, Nothing), (2, Refused), (-9, Refused)])
def test_the_program_that_tells_whether_it_is_needed_decides(code: int, kind: type) -> None:
    programs = Programs({"/bin/needed": code})
    one = command(needed=("/bin/needed", "$node"))
    assert isinstance(one.plan(Small().world(commands=programs), ABOUT, {}), kind)
    assert programs.ran == [["/bin/needed", "n1"]]


def test_a_failure_is_read_back_where_that_is_possible_and_else_refused() -> None:
    world = Small().world(commands=Programs({"/bin/fix": 3}))
    silent, telling = command(), command(done=("/bin/done", "$node"))
    with pytest.raises(RejectedError, match="ended with 3: it said so"):
        silent.apply(world, only(silent.plan(world, ABOUT, {})))
    with pytest.raises(UnknownOutcomeError):
        telling.apply(world, only(telling.plan(world, ABOUT, {})))
    assert (silent.decidable, telling.decidable) == (False, True)


@pytest.mark.parametrize(
    ("code", "found"), [(0, ReadBack.DONE), (1, ReadBack.NOT_DONE), (7, ReadBack.UNDECIDABLE)]
)
def test_reading_back_asks_the_program_for_it(code: int, found: ReadBack) -> None:
    world = Small().world(commands=Programs({"/bin/done": code}))
    one = command(done=("/bin/done", "$node"))
    assert one.read_back(world, only(one.plan(world, ABOUT, {}))) is found


def test_without_such_a_program_nobody_knows() -> None:
    world = Small().world(commands=Programs())
    assert command().read_back(world, only(command().plan(world, ABOUT, {}))) is (
        ReadBack.UNDECIDABLE
    )


def test_the_way_back_is_a_program_too() -> None:
    programs = Programs()
    world, one = Small().world(commands=programs), command(undo=("/bin/undo", "$node"))
    back = only(one.undo(world, only(one.plan(world, ABOUT, {}))))
    one.apply(world, back)
    assert programs.ran == [["/bin/undo", "n1"]]
    assert isinstance(one.undo(world, back), Nothing)
    assert isinstance(command().undo(world, only(command().plan(world, ABOUT, {}))), Nothing)


def test_each_target_has_its_own_key_and_danger_is_as_declared() -> None:
    world = Small().world(commands=Programs())
    one = command()
    assert only(one.plan(world, ABOUT, {})).target == "prod/command/fix/n1"
    assert one.danger is Danger.C
    assert command(danger=Danger.A).danger is Danger.A
    assert {"command.fix", "webhook.ring"} <= set(
        actions([CommandSpec("fix", ("/bin/fix",))], [WebhookSpec("ring")])
    )


def test_a_webhook_tells_incident_labels_and_parameters_under_one_key() -> None:
    systems = Systems()
    world, one = Small().world(webhooks=systems), OwnWebhook(WebhookSpec("ring"))
    effect = only(one.plan(world, ABOUT, {"level": 3}))
    again = only(one.plan(world, ABOUT, {"level": 3}))
    other = only(one.plan(world, ABOUT, {"level": 4}))
    assert one.apply(world, effect) == {"status": 202}
    (name, body, key) = systems.told[0]
    assert (name, body["incident"], body["labels"]["node"]) == ("ring", "inc-1", "n1")
    assert body["parameters"] == {"level": 3}
    assert key == again.parameters["key"] != other.parameters["key"]


def test_a_lost_answer_is_repeated_only_where_the_other_side_knows_its_key() -> None:
    world = Small().world(webhooks=Systems(UnknownOutcomeError("no answer")))
    for idempotent, found in ((True, ReadBack.NOT_DONE), (False, ReadBack.UNDECIDABLE)):
        one = OwnWebhook(WebhookSpec("ring", idempotent=idempotent))
        effect = only(one.plan(world, ABOUT, {}))
        with pytest.raises(UnknownOutcomeError):
            one.apply(world, effect)
        assert one.read_back(world, effect) is found


def test_what_could_not_be_sent_is_refused() -> None:
    world = Small().world(webhooks=Systems(UnavailableError("no connection")))
    one = OwnWebhook(WebhookSpec("ring"))
    with pytest.raises(RejectedError):
        one.apply(world, only(one.plan(world, ABOUT, {})))
