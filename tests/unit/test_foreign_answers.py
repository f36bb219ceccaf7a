"""Something other than Airflow at Airflow's address: named, with the mend, and never \"not found\"."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.foreign_answers import not_airflow
from airwarden.cli.doctor import airflow as doctor
from airwarden.cli.doctor.finding import Outcome
from airwarden.core.errors import NotFoundError, RejectedError
from support.monitoring import Scripted

PAGE = "<html><head><title>Sign in &amp; go</title></head></html>"


class FixedToken:
    def token(self) -> str:
        return "t"

    def refused(self, token: str) -> bool:
        return False


@pytest.fixture(params=[200, 302, 401, 403, 404])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server = Scripted(lambda *_: (request.param, PAGE), content_type="text/html")
    yield f"http://{server.address}"
    server.stop()


def test_a_page_in_its_place_is_named_and_is_no_missing_thing(url: str) -> None:
    with pytest.raises(RejectedError, match="web page titled “Sign in & go”") as caught:
        AirflowRest(url, FixedToken(), timeout=2).jobs()
    assert not isinstance(caught.value, NotFoundError)
    assert "clusters[].airflow.url" in str(caught.value)
    with pytest.raises(RejectedError, match="web page titled “Sign in & go”"):
        PasswordToken(url, "u", lambda: "p").token()


def test_doctor_names_it_too(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        (found,) = doctor.probe("x", client, lambda: "t")
    assert found.outcome is Outcome.FAILED
    assert "web page titled “Sign in & go”" in found.sentence
    assert "clusters[].airflow.url" in found.mend


@pytest.mark.parametrize(
    ("body", "what"),
    [("", "nothing"), ("<p>", "a web page"), ("go  away", "“go away”"), ("x" * 99, "x…”")],
)
def test_whatever_it_is_it_is_said_shortly(body: str, what: str) -> None:
    assert what in not_airflow("http://a", body, 200)
