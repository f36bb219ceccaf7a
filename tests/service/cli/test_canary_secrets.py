"""Secrets are nowhere but where they belong: each is a canary, everything fails, and all that was said is read."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.core.settings import parse
from localplatform.endpoints.app import Demand
from localplatform.endpoints.slack import signed
from support.endpoints import ServedEndpoints, endpoints
from support.engine import alert, webhook
from support.eventually import eventually
from support.programs import airwarden, answers, free_port

__all__ = ["endpoints"]
#: Each secret by the name of its file; the routing key has the length that PagerDuty wants.
CANARIES = {
    name: f"{prefix}{secrets.token_hex(16)}"[:length]
    for name, prefix, length in (
        ("airflow", "", 40),
        ("database", "", 40),
        ("broker", "", 40),
        ("webhook", "", 40),
        ("api", "", 40),
        ("metrics", "", 40),
        ("operator", "", 40),
        ("audit", "", 40),
        ("exporter", "", 40),
        ("events", "", 40),
        ("bot", "xoxb-", 40),
        ("app", "xapp-", 40),
        ("sign", "", 40),
        ("routing", "", 32),
        ("pager-webhook", "", 40),
        ("pager-rest", "", 20),
        ("oidc", "", 40),
    )
}
#: Nothing that is to be reached stands there.
CLOSED = "127.0.0.1:9"


@pytest.fixture
def folder(tmp_path: Path, endpoints: ServedEndpoints) -> Path:
    place = tmp_path / "site"
    (place / "secret").mkdir(parents=True)
    whole = {
        "database": f"postgresql://watcher:{CANARIES['database']}@{CLOSED}/airflow",
        "broker": f"redis://:{CANARIES['broker']}@{CLOSED}/0",
    }
    for name, value in {**CANARIES, **whole}.items():
        (place / "secret" / name).write_text(value + "\n")
    exporter, remediator = free_port(), free_port()
    (place / "ports").write_text(f"{exporter} {remediator}")
    (place / "airwarden.yaml").write_text(
        f"""\
clusters:
  - name: lab
    airflow: {{url: "http://{CLOSED}", auth: {{username: watcher, password_file: secret/airflow}}}}
    metadata_database: {{dsn_file: secret/database}}
    broker: {{url_file: secret/broker, queues: [default]}}
exporter:
  listen: "127.0.0.1:{exporter}"
  auth: {{username: prometheus, password_file: secret/exporter}}
  events: {{token_file: secret/events}}
remediator:
  listen: "127.0.0.1:{remediator}"
  webhook_token_file: secret/webhook
  api_token_file: secret/api
  metrics_token_file: secret/metrics
  audit: {{key_file: secret/audit}}
  console:
    oidc: {{issuer: "http://{CLOSED}", client_id: airwarden, client_secret_file: secret/oidc}}
    roles: {{sre: approver}}
  operators:
    ada: {{token_file: secret/operator, slack_user: U0ADA}}
prometheus: {{url: "http://{CLOSED}"}}
alertmanager: {{url: "http://{CLOSED}"}}
notifications:
  slack:
    token_file: secret/bot
    app_token_file: secret/app
    signing_secret_file: secret/sign
    base_url: {endpoints.url}/api
  pagerduty:
    routing_key_file: secret/routing
    webhook_secret_file: secret/pager-webhook
    rest_token_file: secret/pager-rest
    rest_url: {endpoints.url}
    events_url: {endpoints.url}/v2/enqueue
    poll_interval: 1s
"""
    )
    return place


def leaks(text: str) -> list[str]:
    """Return which canaries a text holds, or the better half of."""
    return [name for name, value in CANARIES.items() if value[5:25] in text]


def command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airwarden.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout + done.stderr


def bother(port: int) -> str:
    """Make every mistake at the remediator's doors; returns what it answered."""
    said: list[str] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as http:

        def ask(method: str, path: str, token: str = "", **more: Any) -> None:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = http.request(method, path, headers=headers, **more)
            said.append(f"{path} {answer.status_code} {answer.headers} {answer.text}")

        api, hook = CANARIES["api"], CANARIES["webhook"]
        one = alert("AirflowSchedulerProcessDown", cluster="lab")
        ask("POST", "/api/v1/alerts", hook, content=webhook(one))
        ask("POST", "/api/v1/alerts", hook + "x", content=webhook(one))
        ask("POST", "/api/v1/alerts", hook, content=b"nonsense")
        for path in ("/api/v1/incidents", "/api/v1/status", "/api/v1/playbooks", "/metrics"):
            ask("GET", path, api)
            ask("GET", path, api[:-1])
        eventually(
            lambda: http.get(
                "/api/v1/incidents", headers={"Authorization": f"Bearer {api}"}
            ).json()["incidents"],
            within=30,
        )
        ask("GET", "/api/v1/incidents/1/explain", CANARIES["operator"])
        ask("POST", "/api/v1/incidents/1/approve", api, json={"nonce": api})
        ask("POST", "/api/v1/pause", api, content=api.encode())
        ask("POST", "/api/v1/pagerduty", content=b"{}")
        body, headers = signed({"type": "block_actions"}, "wrong", time.time())
        said.append(http.post("/api/v1/slack", content=body, headers=headers).text)
        body, headers = signed({"type": "block_actions"}, CANARIES["sign"], time.time())
        said.append(http.post("/api/v1/slack", content=body, headers=headers).text)
    return "\n".join(said)


#: Every page of the console that is looked at.
PAGES = (
    "/", "/incidents", "/incidents/1", "/playbooks", "/playbooks/scheduler-restart", "/rails", "/dags",
    "/dags/lab/orders", "/audit", "/configuration", "/incidents/none", "/static/none",
)  # fmt: skip


def visit(port: int) -> str:
    """Sign in to the console in every wrong way and the right one, and read all of its pages."""
    said: list[str] = []
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:

        def ask(method: str, path: str, **sent: Any) -> httpx.Response:
            answer = http.request(method, f"/console{path}", **sent)
            said.append(f"{path} {answer.status_code} {answer.headers} {answer.text}")
            return answer

        own, headers = CANARIES["operator"], {"Origin": base}
        for name, password in (("ada", own[:-1]), ("eve", own), ("ada", CANARIES["webhook"])):
            sent = {"name": name, "password": password}
            assert ask("POST", "/sign-in", data=sent, headers=headers).status_code == 401
        ask("GET", "/sign-in/oidc")
        ask("GET", f"/sign-in/oidc/callback?code={CANARIES['oidc'][:10]}&state=x")
        sent = {"name": "ada", "password": own}
        assert ask("POST", "/sign-in", data=sent, headers=headers).status_code == 303
        found = {path: ask("GET", path).status_code for path in PAGES}
        assert [path for path, status in found.items() if status != 200] == [*PAGES[-2:]]
        ask("POST", "/rails/stop", data={"reason": "mine", "csrf": "x"}, headers=headers)
    return "\n".join(said)


@pytest.mark.reliability
@pytest.mark.timeout(400)
def test_no_secret_is_in_a_log_the_journal_an_answer_an_error_or_a_message(
    folder: Path, endpoints: ServedEndpoints
) -> None:
    exporter, remediator = map(int, (folder / "ports").read_text().split())
    endpoints.demands["slack"] = Demand(500, times=2)
    endpoints.demands["pagerduty"] = Demand(500, times=1)
    said: dict[str, str] = {}
    with (
        airwarden("exporter", "--log-level", "debug", folder=folder) as watching,
        airwarden("remediator", "--log-level", "debug", folder=folder) as healing,
    ):
        for program, port in ((watching, exporter), (healing, remediator)):
            assert program.process.poll() is None, program.output()
            answers(f"http://127.0.0.1:{port}/healthz", within=180)
        said["doors"] = bother(remediator)
        said["console"] = visit(remediator)
        for path, auth in (("/metrics", ("prometheus", CANARIES["exporter"])), ("/metrics", None)):
            page = httpx.get(f"http://127.0.0.1:{exporter}{path}", auth=auth, trust_env=False)
            said[f"exporter {auth is None}"] = f"{page.headers} {page.text}"
        for arguments in (("doctor",), ("check",), ("explain", "1"), ("incidents",)):
            said[" ".join(arguments)] = command(folder, *arguments)
        # A secret in the wrong place is refused without being repeated.
        text = (folder / "airwarden.yaml").read_text()
        (folder / "airwarden.yaml").write_text(
            text.replace("api_token_file: secret/api", f"api_token: {CANARIES['api']}")
        )
        said["check of a wrong file"] = command(folder, "check")
        (folder / "airwarden.yaml").write_text(text)
        eventually(lambda: endpoints.record.entries, within=30, what="somebody is told")
        watching.stop()
        healing.stop()
        said["log of the exporter"] = watching.output()
        said["log of the remediator"] = healing.output()
    said["messages"] = repr(endpoints.record.entries)
    for file in folder.rglob("*"):
        if file.is_file() and file.parent.name != "secret":
            said[f"file {file.name}"] = file.read_bytes().decode("latin-1")
    assert {name: leaks(text) for name, text in said.items() if leaks(text)} == {}
    # They were in use, and things did fail.
    assert "warning" in said["log of the remediator"]
    assert parse(text, source="airwarden.yaml", environ={}, base=folder).remediator.operators
    assert any("journal" in name for name in said)
