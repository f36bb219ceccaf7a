"""Operators with tokens of their own, and windows, as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from airwarden.cli import people
from airwarden.cli.checks.settings import check_settings
from airwarden.cli.remediating import playbook_set
from airwarden.core.errors import RejectedError, WrongInputError
from airwarden.core.settings import Settings, WrongSettingsError, parse
from airwarden.remediation.operators import Right, common, digest

HASH = digest("adas-token").hex()


def read(text: str, folder: Path = Path()) -> Settings:
    return parse(text, source="airwarden.yaml", environ={}, base=folder)


def test_a_token_is_known_by_its_hash_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "grace").write_text("graces-token\n")
    settings = read(
        "remediator:\n"
        "  operators:\n"
        f"    ada: {{token_sha256: {HASH.upper()}, groups: [oncall]}}\n"
        "    grace: {token_file: grace}\n"
        "    deploys: {token_sha256: '" + "0" * 64 + "', person: false}\n"
        "  approvers: [oncall]\n",
        tmp_path,
    )
    known = people.operators(settings)
    ada, grace = known.recognise("adas-token"), known.recognise("graces-token")
    assert ada is not None
    assert grace is not None
    assert known.recognise("nobodys") is None
    known.require(ada, Right.APPROVE)
    known.require(grace, Right.ARM)
    known.require(common("bo"), Right.OVERRIDE)
    for operator, right in ((grace, Right.APPROVE), (common("bo"), Right.APPROVE)):
        with pytest.raises(RejectedError, match="oncall"):
            known.require(operator, right)
    assert "adas-token" not in repr(known)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ("{groups: [a]}", "give one of token_file, token_env and token_sha256"),
        (f"{{token_env: X, token_sha256: {HASH}}}", "give one of"),
        ("{token_sha256: short}", "64 hexadecimal digits"),
        ("{token: open}", "never written in this file"),
    ],
)
def test_an_operator_without_one_token_is_refused(operator: str, said: str) -> None:
    with pytest.raises(WrongSettingsError, match=said):
        read(f"remediator: {{operators: {{ada: {operator}}}}}")


def test_two_with_one_token_are_refused() -> None:
    both = f"ada: {{token_sha256: {HASH}}}, bo: {{token_sha256: {HASH}}}"
    with pytest.raises(WrongInputError, match=r"operators\.bo: has the token of ada"):
        people.operators(read(f"remediator: {{operators: {{{both}}}}}"))


def test_a_group_that_nobody_is_in_stands_out() -> None:
    machine = f"deploys: {{token_sha256: {HASH}, groups: [oncall], person: false}}"
    settings = read(
        f"remediator: {{mode: auto, operators: {{{machine}}}, approvers: [oncall], admins: []}}"
    )
    places = [found.place for found in check_settings(settings)]
    assert "remediator.approvers" in places
    assert "remediator.admins" not in places


WINDOW = "name: w, kind: freeze, starts: '2026-01-31 18:00', lasts: 14h"


def test_a_window_is_read_as_it_stands() -> None:
    settings = read(
        f"windows: [{{{WINDOW}, repeats: FREQ=MONTHLY;BYMONTHDAY=-1, timezone: Europe/Berlin,"
        " playbooks: [scheduler-restart]}]"
    )
    (one,) = people.windows(settings, playbook_set(settings))
    assert (one.name, one.kind, one.tz, one.cluster) == ("w", "freeze", "Europe/Berlin", "*")
    assert one.applies("default", "scheduler-restart")
    assert not one.applies("default", "pool-hold")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", timezone: Mars", r"windows\[0\]\.timezone: there is no time zone"),
        (", repeats: FREQ=HOURLY", r"windows\[0\]\.repeats: repeats at most daily"),
        (", playbooks: [nonsense]", r"windows\[0\]\.playbooks: there is no playbook 'nonsense'"),
        (", cluster: prod", "'prod' is not one of the clusters default, nor"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused_with_its_key(more: str, said: str) -> None:
    def take() -> None:
        settings = read(f"windows: [{{{WINDOW}{more}}}]")
        people.windows(settings, playbook_set(settings))

    with pytest.raises(WrongInputError, match=said):
        take()
