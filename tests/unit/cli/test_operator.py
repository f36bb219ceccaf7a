from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from airwarden.cli.operator import Operator
from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    WrongInputError,
)
from airwarden.core.settings import parse


def operator(folder: Path, answer: Callable[[httpx.Request], httpx.Response]) -> Operator:
    (folder / "token").write_text("operators-token\n")
    settings = parse(
        "remediator: {api_token_file: token, url: 'http://remediator:9811'}",
        source="airwarden.yaml",
        environ={},
        base=folder,
    )
    return Operator(settings, httpx.MockTransport(answer))


def test_it_shows_its_token_and_asks_below_the_api(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"items": []})

    assert operator(tmp_path, answer).get("incidents", state="open", limit=None) == {"items": []}
    assert str(seen[0].url) == "http://remediator:9811/api/v1/incidents?state=open"
    assert seen[0].headers["Authorization"] == "Bearer operators-token"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, RejectedError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, WrongInputError),
        (503, UnavailableError),
        (500, RejectedError),
    ],
)
def test_each_refusal_has_its_kind_and_says_what_was_said(
    tmp_path: Path, status: int, kind: type[AirwardenError]
) -> None:
    client = operator(tmp_path, lambda _: httpx.Response(status, json={"detail": "because so"}))
    with pytest.raises(kind, match="because so"):
        client.post("pause", {})


def test_what_is_wrong_with_a_field_is_said_by_its_name(tmp_path: Path) -> None:
    fault = {"type": "value_error", "loc": ["body", "for"], "msg": "'soon' is not a duration"}
    client = operator(tmp_path, lambda _: httpx.Response(422, json={"detail": [fault]}))
    with pytest.raises(WrongInputError, match=r"^for: 'soon' is not a duration$"):
        client.post("maintenance", {})


def test_what_one_may_not_is_said_as_it_is(tmp_path: Path) -> None:
    client = operator(tmp_path, lambda _: httpx.Response(403, json={"detail": "only a person"}))
    with pytest.raises(RejectedError, match=r"^only a person$"):
        client.post("resume", {})


def test_no_answer_is_not_a_refusal(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnavailableError, match="http://remediator:9811 does not answer"):
        operator(tmp_path, refuse).get("incidents")


def test_without_a_token_it_says_which_setting_is_missing() -> None:
    settings = parse("", source="airwarden.yaml", environ={})
    with pytest.raises(WrongInputError, match=r"remediator\.api_token_file"):
        Operator(settings)
