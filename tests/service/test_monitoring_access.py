"""A real Prometheus and a real Alertmanager behind sign-in and TLS, reached as `airwarden.yaml` says."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from airwarden.cli import composition
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.doctor.monitoring import probe_monitoring
from airwarden.cli.outputs import rule_config
from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.settings import Settings, parse
from airwarden.rules.render_prometheus import prometheus_config
from support import monitoring
from support.certificates import Authority, Pair
from support.eventually import eventually
from support.monitoring import Scripted

PASSWORD = "page-forty-two"
#: Of that password, as the servers' web configuration wants it (bcrypt, the cheapest there is).
HASH = "$2b$04$j03NRHjSWRP4cikkBacySuimdvYkmhDgc8zVZJZRusuC.YARHyHHC"
QUERY = "vector(42)"


@dataclass(frozen=True)
class Behind:
    """The two servers, what is needed to get in, and the folder with it."""

    folder: Path
    prometheus: str
    alertmanager: str
    strict: str

    def settings(self, text: str) -> Settings:
        """Read settings whose addresses are written `PROMETHEUS`, `ALERTMANAGER` and `STRICT`."""
        for name in ("prometheus", "alertmanager", "strict"):
            text = text.replace(name.upper(), getattr(self, name))
        return parse(text, source="airwarden.yaml", environ={}, base=self.folder)


def web(folder: Path, name: str, pair: Pair, *more: str) -> Path:
    path = folder / name
    tls = f"tls_server_config: {{cert_file: {pair.cert}, key_file: {pair.key}{''.join(more)}}}\n"
    users = "" if more else f"basic_auth_users: {{airwarden: '{HASH}'}}\n"
    path.write_text(tls + users)
    return path


#: Whose certificate carries their name, and who sign in.
ENTRY = """
prometheus: {url: PROMETHEUS, auth: {username: airwarden, password_file: pw}, tls: {ca_file: authority.pem}}
alertmanager: {url: ALERTMANAGER, receiver: people, auth: {username: airwarden, password_file: pw}, tls: {ca_file: authority.pem}}
"""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    authority = Authority(folder)
    Authority(folder, "stranger")
    (folder / "pw").write_text(f"{PASSWORD}\n")
    (folder / "other").write_text("not-the-password\n")
    server, named = authority.sign("server"), authority.sign("named", host="monitoring.example")
    client = authority.sign("client")
    assert client.cert.name == "client.pem"
    strict = folder / "strict"
    strict.mkdir()
    (strict / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    alertmanager = monitoring.Alertmanager(
        folder / "alertmanager",
        "route: {receiver: people}\nreceivers: [{name: people}]\n",
        web=web(folder, "alertmanager-web.yml", server),
    )
    made = Behind(folder, "https://127.0.0.1:1", alertmanager.url, "https://127.0.0.1:1")
    # The Prometheus that we ask also sends its alerts through the same door, as we generate it.
    (folder / "prometheus.yml").write_text(
        prometheus_config(rule_config(made.settings(ENTRY)), "always.yml")
    )
    (folder / "always.yml").write_text(
        "groups: [{name: a, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}]\n"
    )
    prometheus = monitoring.Prometheus(folder, web=web(folder, "prometheus-web.yml", server))
    more = f", client_auth_type: RequireAndVerifyClientCert, client_ca_file: {authority.cert}"
    closed = monitoring.Prometheus(strict, web=web(folder, "strict-web.yml", named, more))
    yield Behind(folder, prometheus.url, alertmanager.url, closed.url)
    for one in (prometheus, closed, alertmanager):
        one.stop()


def ask(settings: Settings) -> float:
    prometheus = composition.prometheus(settings)
    assert prometheus is not None
    return prometheus.query(QUERY)[0].value


def active(settings: Settings) -> list[str]:
    alertmanager = composition.alertmanager(settings)
    assert alertmanager is not None
    return [alert.name for alert in alertmanager.alerts()]


def test_the_past_is_read_with_the_same_sign_in(behind: Behind) -> None:
    past = composition.prometheus_range(behind.settings(ENTRY), behind.prometheus)
    now = time.time() // 15 * 15
    (piece,) = past.samples(QUERY, now - 60, 15, 4)
    assert piece == ({}, 0, [42.0] * 4)
    assert past.names(now - 60, now) == frozenset()  # this one scrapes nothing


def test_an_address_that_the_settings_do_not_name_is_shown_nothing(behind: Behind) -> None:
    seen: list[Mapping[str, str]] = []

    def answer(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> tuple[int, str]:
        seen.append(headers)
        return 200, '{"status": "success", "data": {"result": []}}'

    stranger = Scripted(answer)
    try:
        past = composition.prometheus_range(behind.settings(ENTRY), f"http://{stranger.address}")
        assert list(past.samples("up", 0, 15, 1)) == []
    finally:
        stranger.stop()
    assert len(seen) == 1
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (
            (200, '{"status": "success", "data": ["up", "airwarden_db_up"]}'),
            {"up", "airwarden_db_up"},
        ),
        ((404, "no such page"), None),
        ((400, '{"status": "error", "error": "not here"}'), None),
    ],
)
def test_which_metrics_there_are_is_asked_once_where_somebody_says(
    answer: tuple[int, str], names: set[str] | None
) -> None:
    asked: list[str] = []

    def answering(_: str, path: str, __: Mapping[str, str], ___: bytes) -> tuple[int, str]:
        asked.append(path)
        return answer

    server = Scripted(answering)
    try:
        past = composition.prometheus_range(Settings(), f"http://{server.address}")
        assert past.names(0.0, 3600.0) == names
    finally:
        server.stop()
    assert asked == ["/api/v1/label/__name__/values?start=0.000&end=3600.000"]


def test_a_renewed_password_counts_at_the_next_request(behind: Behind, tmp_path: Path) -> None:
    password = tmp_path / "renewed"
    password.write_text("the-old-one\n")
    settings = behind.settings(ENTRY.replace("file: pw", f"file: {password}"))
    prometheus, alertmanager = composition.prometheus(settings), composition.alertmanager(settings)
    assert prometheus is not None
    assert alertmanager is not None
    for call in (lambda: prometheus.query(QUERY), alertmanager.alerts):
        with pytest.raises(RejectedError, match="401") as caught:
            call()
        assert "the-old-one" not in str(caught.value)
    password.write_text(f"{PASSWORD}\n")
    assert prometheus.query(QUERY)[0].value == 42
    alertmanager.alerts()


STRICT = "{url: STRICT, tls: {ca_file: authority.pem, server_name: monitoring.example"
CLIENT = ", cert_file: client.pem, key_file: client.key"


def test_a_certificate_of_ours_and_the_name_in_theirs(behind: Behind) -> None:
    assert ask(behind.settings(f"prometheus: {STRICT}{CLIENT}}}}}")) == 42
    past = composition.prometheus_range(
        behind.settings(f"prometheus: {STRICT}{CLIENT}}}}}"), behind.strict
    )
    assert [values for _, _, values in past.samples(QUERY, 1000, 15, 1)] == [[42.0]]


def test_no_certificate_is_checked_where_the_operator_says_so(behind: Behind) -> None:
    text = ENTRY.replace("ca_file: authority.pem", "insecure_skip_verify: true")
    assert ask(behind.settings(text)) == 42
    active(behind.settings(text))


SIGN_IN = "auth: {username: airwarden, password_file: pw}"
WRONG = (
    ("{url: PROMETHEUS, tls: {ca_file: authority.pem}}", "give prometheus.auth"),
    (
        "{url: PROMETHEUS, tls: {ca_file: authority.pem}, auth: {username: x, password_file: pw}}",
        "user or password of prometheus.auth",
    ),
    (
        "{url: PROMETHEUS, tls: {ca_file: authority.pem}, auth: {token_file: other}}",
        "the token of prometheus.auth",
    ),
    (f"{{url: PROMETHEUS, {SIGN_IN}}}", "prometheus.tls.ca_file"),
    (f"{{url: PROMETHEUS, tls: {{ca_file: stranger.pem}}, {SIGN_IN}}}", "prometheus.tls.ca_file"),
    (f"{{url: PROMETHEUS-PLAIN, {SIGN_IN}}}", "write https:// in prometheus.url"),
    (f"{{url: STRICT, tls: {{ca_file: authority.pem{CLIENT}}}}}", "prometheus.tls.server_name"),
    (f"{STRICT}}}}}", "prometheus.tls.cert_file and key_file"),
    ("{url: 'http://127.0.0.1:1'}", "check prometheus.url"),
    ("{url: PROMETHEUS, tls: {ca_file: nowhere.pem}}", "PEM files"),
    ("{url: PROMETHEUS, auth: {token_file: nowhere}}", "prometheus.auth.token"),
)


def found(settings: Settings, system: str) -> list[Finding]:
    return [one for one in probe_monitoring(settings) if one.system == system]


@pytest.mark.parametrize(
    ("system", "section", "mend"),
    [
        *(("prometheus", section, mend) for section, mend in WRONG),
        # Its client is another; there is one server that asks for certificates.
        *(("alertmanager", section, mend) for section, mend in WRONG if "STRICT" not in section),
    ],
)
def test_doctor_names_what_is_wrong(behind: Behind, system: str, section: str, mend: str) -> None:
    plain = getattr(behind, system).replace("https:", "http:")
    section = section.replace("PROMETHEUS-PLAIN", plain).replace("PROMETHEUS", system.upper())
    (finding,) = found(behind.settings(f"{system}: {section}"), system)
    assert finding.outcome is Outcome.FAILED
    assert mend.replace("prometheus.", f"{system}.") in finding.mend, finding.sentence
    assert PASSWORD not in finding.sentence


def test_doctor_says_of_each_address_whether_it_answers(behind: Behind) -> None:
    settings = behind.settings(
        ENTRY.replace("url: PROMETHEUS", "url: PROMETHEUS, replicas: ['https://127.0.0.1:1']")
    )
    assert [(one.subject, one.outcome) for one in found(settings, "prometheus")] == [
        (f"queries at {behind.prometheus}", Outcome.OK),
        ("queries at https://127.0.0.1:1", Outcome.FAILED),
    ]
    assert [one.outcome for one in found(settings, "alertmanager")] == [Outcome.OK]


def test_doctor_names_a_receiver_that_is_not_there(behind: Behind) -> None:
    taking = ENTRY + "remediator: {webhook_token_file: pw}\n"
    assert len(found(behind.settings(taking), "alertmanager")) == 1
    _, finding = found(
        behind.settings(taking.replace("receiver: people", "receiver: remediator")), "alertmanager"
    )
    assert (finding.subject, finding.outcome) == ("receiver", Outcome.LIMITED)
    assert "one of people" in finding.mend


def test_the_next_one_is_asked_where_one_is_gone_and_the_one_that_answered_first(
    behind: Behind,
) -> None:
    asked: list[str] = []

    def failing(_: str, path: str, *__: object) -> tuple[int, str]:
        asked.append(path)
        return 503, "starting"

    dead = Scripted(failing)
    try:
        first = f"url: 'http://{dead.address}', replicas: "
        settings = behind.settings(
            ENTRY.replace("url: PROMETHEUS", f"{first}[PROMETHEUS]").replace(
                "url: ALERTMANAGER", f"{first}[ALERTMANAGER]"
            )
        )
        prometheus, alertmanager = (
            composition.prometheus(settings),
            composition.alertmanager(settings),
        )
        assert prometheus is not None
        assert alertmanager is not None
        for _ in range(3):
            assert prometheus.query(QUERY)[0].value == 42
            alertmanager.alerts()
            alertmanager.silences()
        assert len(asked) == 2, "the one that answered is asked first from then on"
        with pytest.raises(RejectedError, match="parse error"):
            prometheus.query("up{")
        assert len(asked) == 2, "a wrong expression is wrong everywhere"
    finally:
        dead.stop()


def test_where_none_answers_each_is_named() -> None:
    text = "alertmanager: {url: 'http://127.0.0.1:1', replicas: ['http://127.0.0.1:2']}"
    alertmanager = composition.alertmanager(parse(text, source="x", environ={}))
    assert alertmanager is not None
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1.*127\.0\.0\.1:2"):
        alertmanager.alerts()


def test_a_key_that_does_not_belong_to_its_certificate_is_told_at_the_start(behind: Behind) -> None:
    text = f"prometheus: {STRICT}, cert_file: client.pem, key_file: server.key}}}}"
    with pytest.raises(WrongInputError, match=r"client\.pem or .*server\.key") as caught:
        composition.prometheus(behind.settings(text))
    assert caught.value.place == "prometheus.tls"


def test_prometheus_answers_and_its_alerts_come_through_the_same_door(behind: Behind) -> None:
    settings = behind.settings(ENTRY)
    assert ask(settings) == 42
    eventually(lambda: active(settings) == ["Always"], within=30, what="the alert arrived")
    alertmanager = composition.alertmanager(settings)
    assert alertmanager is not None
    assert list(alertmanager.silences()) == []


def test_a_token_and_a_tenant_at_a_shared_server(behind: Behind) -> None:
    """As at Mimir: whoever shows no tenant has no organization; the proxy before it wants the token."""
    inside = httpx.Client(
        verify=ssl.create_default_context(cafile=behind.folder / "authority.pem"),
        auth=("airwarden", PASSWORD),
    )

    def shared(_: str, path: str, headers: Mapping[str, str], __: bytes) -> tuple[int, str]:
        if headers.get("Authorization") != "Bearer not-the-password":
            return 401, "who are you?"
        if headers.get("X-Scope-OrgID") != "east":
            return 401, "no org id"
        server = behind.prometheus if "/api/v1/" in path else behind.alertmanager
        answer = inside.get(server + path.removeprefix("/shared"))
        return answer.status_code, answer.text

    proxy = Scripted(shared)
    try:
        section = (
            f"{{url: 'http://{proxy.address}/shared', auth: {{token_file: other}}, tenant: east}}"
        )
        people = section.replace("{url", "{receiver: people, url", 1)
        settings = behind.settings(f"prometheus: {section}\nalertmanager: {people}\n")
        assert ask(settings) == 42
        eventually(lambda: active(settings) == ["Always"], within=30, what="the alert is seen")
        without = behind.settings(f"prometheus: {section.replace('tenant: east', 'tenant: west')}")
        (finding,) = found(without, "prometheus")
        assert finding.mend.startswith("give prometheus.tenant")
    finally:
        proxy.stop()
        inside.close()
