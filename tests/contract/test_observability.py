"""The `Prometheus` and `Alertmanager` contracts: real servers, and the fakes."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from airwarden.adapters.alertmanager import AlertmanagerApi
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAlertmanager, FakePrometheus
from airwarden.adapters.prometheus import PrometheusApi
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Silence
from airwarden.core.ports import Alertmanager, Prometheus
from airwarden.remediation.decide.autoscaling import ScalingPolicy
from airwarden.remediation.fitting import read_samples
from support import monitoring
from support.eventually import eventually
from support.monitoring import Scripted
from support.servers import freeze

_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
LABELS = {"alertname": "Late", "cluster": "east", "severity": "critical"}


@pytest.fixture(scope="module")
def prometheus_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[monitoring.Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    server = monitoring.Prometheus(folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def alertmanager_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[monitoring.Alertmanager]:
    server = monitoring.Alertmanager(tmp_path_factory.mktemp("alertmanager"), _CONFIG)
    yield server
    server.stop()


@pytest.fixture(params=["fake", "real"])
def prometheus(request: pytest.FixtureRequest) -> Prometheus:
    """One that answers `vector(3)`, a labelled NaN, and knows no series."""
    if request.param == "fake":
        fake = FakePrometheus(SystemClock())
        fake.put("vector(3)", 3.0)
        fake.put('label_replace(vector(0/0), "team", "ops", "", "")', math.nan, {"team": "ops"})
        return fake
    return PrometheusApi(request.getfixturevalue("prometheus_server").url)


def test_an_instant_vector_with_its_labels_and_time(prometheus: Prometheus) -> None:
    (sample,) = prometheus.query("vector(3)")
    assert (sample.value, sample.labels) == (3.0, {})
    assert abs(sample.timestamp - time.time()) < 60
    (nan,) = prometheus.query('label_replace(vector(0/0), "team", "ops", "", "")')
    assert math.isnan(nan.value)
    assert nan.labels == {"team": "ops"}


def test_an_empty_vector_is_an_answer(prometheus: Prometheus) -> None:
    assert prometheus.query("no_such_series") == []


def test_the_workers_past_is_asked_for_as_prometheus_takes_it(
    prometheus_server: monitoring.Prometheus,
) -> None:
    policy = ScalingPolicy(0.85, 0.40, 300, 900, minimum=2, maximum=8)
    real = PrometheusApi(prometheus_server.url)
    assert read_samples(real, 'a"b\\', 1000.0, policy) == ()


def test_an_empty_expression_is_rejected(prometheus: Prometheus) -> None:
    with pytest.raises(RejectedError):
        prometheus.query(" ")


@dataclass
class Case:
    """An Alertmanager, and how alerts and silences get into it."""

    alertmanager: Alertmanager
    fire: Callable[[dict[str, str]], None]
    silence: Callable[[str, timedelta], None]


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        return fake_case()
    server: monitoring.Alertmanager = request.getfixturevalue("alertmanager_server")

    def fire(labels: dict[str, str]) -> None:
        server.post([labels])

    def silence(team: str, after: timedelta) -> None:
        start = datetime.now(UTC) + after
        body = {
            "matchers": [{"name": "team", "value": team, "isRegex": True, "isEqual": True}],
            "startsAt": start.isoformat(),
            "endsAt": (start + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "maintenance",
        }
        httpx.post(f"{server.url}/api/v2/silences", json=body).raise_for_status()

    return Case(AlertmanagerApi(server.url), fire, silence)


def fake_case() -> Case:
    fake = FakeAlertmanager(SystemClock())

    def fire(labels: dict[str, str]) -> None:
        now = datetime.now(UTC)
        fake.fire(Alert(f"{len(fake._alerts):016x}", AlertStatus.FIRING, now, labels))

    def silence(team: str, after: timedelta) -> None:
        start = datetime.now(UTC) + after
        matchers = (("team", team, True, True),)
        fake.silence(
            Silence(f"s-{team}", matchers, start, start + timedelta(hours=1), "maintenance")
        )

    return Case(fake, fire, silence)


def found(case: Case, team: str) -> list[Alert]:
    return [a for a in case.alertmanager.alerts() if a.labels.get("team") == team]


def test_a_firing_alert_is_told_with_its_labels_and_start(case: Case) -> None:
    case.fire({**LABELS, "team": "one"})
    (alert,) = eventually(lambda: found(case, "one"), within=10)
    assert (alert.name, alert.cluster, alert.status) == ("Late", "east", AlertStatus.FIRING)
    assert len(alert.fingerprint) == 16
    assert abs(alert.starts_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert alert.suppressed_by == ()


def test_a_silenced_alert_is_told_with_what_silences_it(case: Case) -> None:
    case.fire({**LABELS, "team": "quiet"})
    case.silence("qui.*", timedelta(0))

    def suppressed() -> list[Alert]:
        return [a for a in found(case, "quiet") if a.suppressed_by]

    (alert,) = eventually(suppressed, within=20, what="the alert is suppressed")
    silences = {s.id: s for s in case.alertmanager.silences()}
    silence = silences[alert.suppressed_by[0]]
    assert silence.matchers == (("team", "qui.*", True, True),)
    assert silence.comment == "maintenance"


def test_a_pending_silence_is_told_and_suppresses_nothing(case: Case) -> None:
    case.fire({**LABELS, "team": "later"})
    case.silence("later", timedelta(minutes=30))
    (alert,) = eventually(lambda: found(case, "later"), within=10)
    assert alert.suppressed_by == ()
    pending = [s for s in case.alertmanager.silences() if s.matchers[0][1] == "later"]
    assert len(pending) == 1
    assert pending[0].starts_at > datetime.now(UTC)


def test_a_silence_that_airwarden_makes_suppresses_what_it_names_alone(case: Case) -> None:
    for queue in ("mine", "other"):
        case.fire({**LABELS, "team": "made", "queue": queue})
    now = datetime.now(UTC)
    matchers = (("team", "made", False, True), ("queue", "oth.*", True, False))
    wanted = Silence("", matchers, now, now + timedelta(hours=1), "incident 7: I look at it")
    made = case.alertmanager.add_silence(wanted, by="ada")
    (kept,) = (one for one in case.alertmanager.silences() if one.id == made)
    assert set(kept.matchers) == set(matchers)
    assert kept.comment == "incident 7: I look at it"
    assert abs(kept.ends_at - wanted.ends_at) < timedelta(seconds=1)

    def suppressed() -> dict[str, tuple[str, ...]]:
        by = {one.labels["queue"]: one.suppressed_by for one in found(case, "made")}
        return by if len(by) == 2 and any(by.values()) else {}

    by = eventually(suppressed, within=20, what="the alert is suppressed")
    assert by == {"mine": (made,), "other": ()}


@pytest.mark.parametrize("wrong", ["it is over", "it names nothing"])
def test_a_silence_that_cannot_be_is_refused(case: Case, wrong: str) -> None:
    now = datetime.now(UTC)
    over = wrong == "it is over"
    ends = now - timedelta(minutes=1) if over else now + timedelta(hours=1)
    matchers = (("team", "made", False, True),) if over else ()
    with pytest.raises(RejectedError):
        case.alertmanager.add_silence(
            Silence("", matchers, now - timedelta(hours=1), ends, "x"), by="ada"
        )


# Only the real ones.


def test_a_silence_says_who_made_it(alertmanager_server: monitoring.Alertmanager) -> None:
    now = datetime.now(UTC)
    matchers = (("team", "whose", False, True),)
    silence = Silence("", matchers, now, now + timedelta(hours=1), "mine")
    made = AlertmanagerApi(alertmanager_server.url).add_silence(silence, by="ada")
    shown = httpx.get(f"{alertmanager_server.url}/api/v2/silence/{made}").json()
    assert (shown["createdBy"], shown["status"]["state"]) == ("ada", "active")


def test_a_scalar_is_taken_as_one_sample_and_a_range_is_rejected(
    prometheus_server: monitoring.Prometheus,
) -> None:
    api = PrometheusApi(prometheus_server.url)
    assert [s.value for s in api.query("1 + 1")] == [2.0]
    with pytest.raises(RejectedError, match="parse error"):
        api.query("up{")


def test_a_frozen_prometheus_costs_one_deadline(prometheus_server: monitoring.Prometheus) -> None:
    api = PrometheusApi(prometheus_server.url, timeout=0.5)
    freeze(prometheus_server.child.pid)
    begun = time.monotonic()
    try:
        with pytest.raises(UnavailableError):
            api.query("up")
        assert time.monotonic() - begun < 3
    finally:
        os.kill(prometheus_server.child.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, "starting", UnavailableError),
        (429, "later", UnavailableError),
        (200, "<html>", Exception),
        (404, "nothing", RejectedError),
    ],
)
def test_what_is_no_answer_is_told_as_our_error(
    status: int, body: str, error: type[Exception]
) -> None:
    asked: list[str] = []

    def answer(_: object, path: str, *__: object) -> tuple[int, str]:
        asked.append(path)
        return status, body

    server = Scripted(answer)
    try:
        with pytest.raises((UnavailableError, RejectedError)) as caught:
            PrometheusApi(f"http://{server.address}").query("up")
        assert isinstance(caught.value, error)
        assert len(asked) == 1, "the library's own retries are off"
        with pytest.raises((UnavailableError, RejectedError)) as caught:
            AlertmanagerApi(f"http://{server.address}").alerts()
        assert isinstance(caught.value, error)
    finally:
        server.stop()


def test_absent_servers_are_unavailable() -> None:
    with pytest.raises(UnavailableError):
        PrometheusApi("http://127.0.0.1:1").query("up")
    with pytest.raises(UnavailableError):
        AlertmanagerApi("http://127.0.0.1:1").alerts()
