"""A person acknowledges a page in PagerDuty: by its webhook, or because it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.adapters.pagerduty import PagerDutyEvents
from airwarden.adapters.pagerduty_rest import PagerDutyRest
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.remediation.composition import Signing
from localplatform.endpoints.app import Demand
from localplatform.endpoints.pagerduty import INTEGRATION, Page
from localplatform.endpoints.pagerduty_people import acknowledge, event, signed
from support.endpoints import ServedEndpoints, endpoints
from support.eventually import eventually
from support.remediator import Running, quick_playbook
from support.waiting_plan import fire

__all__ = ["endpoints"]
KEY = "rest-" + "k" * 15
OLD, NEW = "pager-" + "o" * 24, "pager-" + "n" * 24
#: Paged for at once, and remedied without an end: what a person finds who is woken by it.
BOOK = quick_playbook(
    page={"when": "at-once"},
    verify={"check": "flag", "within": "10m", "stable": "0s"},
)


def secrets() -> Sequence[str]:
    return (OLD, NEW)


@contextmanager
def remediator(endpoints: ServedEndpoints, folder: Path, **composed: Any) -> Iterator[Running]:
    pager = PagerDutyEvents(url=f"{endpoints.url}/v2/enqueue")
    running = Running(
        f"sqlite:///{folder / 'journal.db'}",
        book=BOOK,
        composed={"pager": pager, "acknowledged_every": 0.2, **composed},
    )
    yield running
    running.stop()
    pager.close()


@pytest.fixture
def told(endpoints: ServedEndpoints, tmp_path: Path) -> Iterator[Running]:
    """One that PagerDuty reaches."""
    with remediator(endpoints, tmp_path, signing=Signing(pagerduty=secrets)) as running:
        yield running


@pytest.fixture
def asking(endpoints: ServedEndpoints, tmp_path: Path) -> Iterator[Running]:
    """One that asks PagerDuty."""
    pages = PagerDutyRest(lambda: KEY, url=endpoints.url)
    with remediator(endpoints, tmp_path, pages=pages) as running:
        yield running


def paged(running: Running, endpoints: ServedEndpoints) -> Page:
    """Let the machine break, and return its page."""
    fire(running)
    eventually(lambda: endpoints.pagerduty.pages, within=20, what="a person is paged")
    (page,) = endpoints.pagerduty.pages.values()
    return page


def incident(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = running.get("/api/v1/incidents/1")
    return found


def post(running: Running, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    return running.http.post("/api/v1/pagerduty", content=body, headers=dict(headers))


def test_a_signed_acknowledgement_of_a_person_takes_the_incident_out_of_our_hands(
    told: Running, endpoints: ServedEndpoints
) -> None:
    page = paged(told, endpoints)
    body = event(page, acknowledge(page, "Grace Hopper"))
    answer = post(told, body, signed(body, "of another subscription", NEW))
    assert answer.json() == {"outcome": "Grace Hopper has incident 1"}
    assert (incident(told)["state"], incident(told)["owner"]) == ("HUMAN_OWNED", "Grace Hopper")
    # Sent again, as PagerDuty does when it heard no answer.
    assert post(told, body, signed(body, OLD)).json()["outcome"].endswith("has incident 1 already")
    text = told.get("/api/v1/incidents/1/explain")["text"]
    assert "Grace Hopper takes it: acknowledged in PagerDuty." in text
    # And we do not acknowledge what is acknowledged.
    assert page.history == ["trigger"]


def test_what_is_not_signed_with_a_secret_of_ours_is_refused(
    told: Running, endpoints: ServedEndpoints
) -> None:
    page = paged(told, endpoints)
    body = event(page, acknowledge(page, "Mallory"))
    good = signed(body, OLD)
    refused = [
        (body, {}),
        (body, signed(body, "another secret")),
        (body + b" ", good),
        (body, {"x-pagerduty-signature": good["x-pagerduty-signature"].replace("v1=", "v0=")}),
        (body, {"x-pagerduty-signature": ",".join(["v1=0"] * 50)}),
    ]
    for sent, headers in refused:
        assert post(told, sent, headers).status_code == 401
    assert incident(told)["state"] != "HUMAN_OWNED"
    for nonsense in (b"{}", b"nonsense", b'{"event": {"event_type": "incident.acknowledged"}}'):
        answer = post(told, nonsense, signed(nonsense, OLD))
        assert (answer.status_code, "no webhook of PagerDuty" in answer.text) == (400, True)
    other = event(page, page.log[-1], "incident.annotated")
    assert "not needed" in post(told, other, signed(other, OLD)).json()["outcome"]


def test_the_acknowledgement_that_airwarden_sent_itself_makes_nobody_the_owner(
    told: Running, endpoints: ServedEndpoints
) -> None:
    page = paged(told, endpoints)
    told.post("/api/v1/incidents/1/acknowledge", {"reason": "I look"})
    eventually(lambda: page.history == ["trigger", "acknowledge"], within=20)
    entry = page.log[-1]
    assert entry["agent"] == INTEGRATION
    told.post("/api/v1/incidents/1/release", {"reason": "it is yours again"})
    body = event(page, {**entry, "created_at": "2100-01-01T00:00:00Z"})
    assert post(told, body, signed(body, NEW)).json()["outcome"] == "no person acknowledged it"
    assert incident(told)["owner"] == ""


def test_who_acknowledged_is_asked_for_where_pagerduty_cannot_tell_us(
    asking: Running, endpoints: ServedEndpoints
) -> None:
    page = paged(asking, endpoints)
    # Ours first: asked about again and again, it takes nothing out of our hands.
    page.note("acknowledge", INTEGRATION)
    page.state = "acknowledged"
    asked = len(endpoints.record.entries)
    eventually(lambda: len(endpoints.record.entries) > asked + 4, within=20, what="it is asked")
    assert incident(asking)["owner"] == ""
    acknowledge(page, "Grace Hopper")
    eventually(lambda: incident(asking)["owner"] == "Grace Hopper", within=20)
    asking.post("/api/v1/incidents/1/release", {"reason": "go on"})
    asked = len(endpoints.record.entries)
    eventually(lambda: len(endpoints.record.entries) > asked + 4, within=20, what="it is asked")
    assert incident(asking)["owner"] == ""


def test_an_incident_of_alerts_is_found_by_their_keys(
    endpoints: ServedEndpoints, tmp_path: Path
) -> None:
    """Then PagerDuty's incident has no key of its own, and its webhook names none of ours."""
    pages = PagerDutyRest(lambda: KEY, url=endpoints.url)
    signing = Signing(pagerduty=secrets)
    with remediator(endpoints, tmp_path, pages=pages, signing=signing) as running:
        page = paged(running, endpoints)
        entry = acknowledge(page, "Grace Hopper")
        page.log.clear()  # so that the poll does not find it first
        body = event(page, entry, alerts=True)
        said = post(running, body, signed(body, OLD)).json()["outcome"]
        assert said == "Grace Hopper has incident 1"


def test_pagerduty_s_refusals_say_what_to_mend_and_never_the_key(
    endpoints: ServedEndpoints,
) -> None:
    with pytest.raises(RejectedError, match="rest_token_file") as caught:
        PagerDutyRest(lambda: "wrong-key", url=endpoints.url).acknowledgements("d")
    assert "wrong-key" not in str(caught.value)
    endpoints.demands["pagerduty-rest"] = Demand(429, times=1)
    with pytest.raises(UnavailableError, match="429"):
        PagerDutyRest(lambda: KEY, url=endpoints.url).acknowledgements("d")
    assert PagerDutyRest(lambda: KEY, url=endpoints.url).keys("PNONE") == ()
    with pytest.raises(UnavailableError, match="did not answer"):
        PagerDutyRest(lambda: KEY, url="http://127.0.0.1:9").keys("P1")
