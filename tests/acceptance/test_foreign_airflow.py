"""An Airflow that Airwarden did not start: init, doctor, up, and its first alert, in shadow."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.cli.main import run
from localplatform import faults
from localplatform.layout import Platform
from localplatform.supervisord import Supervisor
from support.eventually import eventually
from support.programs import Program, airwarden

#: The defaults keep the two minutes too (limit and hold are a minute each); this spares the time.
HASTE = {
    "AIRWARDEN_ALERTS__AirflowTriggererDown__THRESHOLD": "> 15s for 5s",
    "AIRWARDEN_PROMETHEUS__SCRAPE_INTERVAL": "2s",
    "AIRWARDEN_PROMETHEUS__EVALUATION_INTERVAL": "2s",
    "AIRWARDEN_PLAYBOOKS__COMPONENT_RESTART__CONFIRM__EVERY": "2s",
}


@pytest.fixture
def described(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the settings that init wrote for the platform."""
    monkeypatch.chdir(tmp_path)
    access = platform.airflow
    code = run(
        (
            *("init", "--url", access.url, "--username", access.user),
            *("--password-file", str(access.password_file)),
            *("--dsn-file", str(platform.postgres.observer_dsn_file)),
        )
    )
    assert code == 0
    return tmp_path


def test_init_writes_a_short_file_without_secrets(platform: Platform, described: Path) -> None:
    text = (described / "airwarden.yaml").read_text()
    assert len(text.splitlines()) < 20
    assert platform.airflow.password_file.read_text().strip() not in text
    for path in (described / "airwarden.secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("described")
def test_doctor_says_what_may_be_seen_and_done(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["doctor", "--output", "json"]) == 0
    found = {
        (one["system"].removeprefix("default: "), one["subject"]): one["outcome"]
        for one in json.loads(capsys.readouterr().out)
    }
    assert found["airflow", "clear task instances"] == "ok"
    assert found["airflow", "read connections"] == "excess"
    assert found["metadata database", "read tables"] == "ok"
    assert found["metadata database", "see sessions"] == "ok"
    assert found["metadata database", "end sessions"] == "off"


@pytest.mark.usefixtures("described")
def test_doctor_tells_a_viewer_what_it_may_not_do(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = platform.airflow
    monkeypatch.setenv("AIRWARDEN_CLUSTERS__0__AIRFLOW__AUTH__USERNAME", access.viewer)
    monkeypatch.setenv(
        "AIRWARDEN_CLUSTERS__0__AIRFLOW__AUTH__PASSWORD_FILE", str(access.viewer_password_file)
    )
    capsys.readouterr()
    assert run(["doctor", "--output", "json"]) == 0
    outcomes = {one["subject"]: one["outcome"] for one in json.loads(capsys.readouterr().out)}
    assert outcomes["read DAGs"] == "ok"
    for right in ("pause and unpause DAGs", "change pools", "clear task instances", "trigger runs"):
        assert outcomes[right] == "limited"


@pytest.mark.timeout(400)
def test_up_tells_of_a_fault_within_two_minutes_and_does_nothing(
    platform: Platform, described: Path
) -> None:
    supervisor = Supervisor(platform)
    before = supervisor.process("triggerer").pid
    with faults.frozen(platform, "triggerer"):
        # The fault is there already when Airwarden comes: older than the alert's limit.
        eventually(lambda: _silent_for(platform) > 15, within=120, every=1.0)
        began = time.monotonic()
        with airwarden("up", folder=described, environ=HASTE) as program:
            incident = _incident(program, described, component="triggerer")
            assert time.monotonic() - began < 120
            assert incident["mode"] == "shadow"
            assert incident["playbook"] == "component-restart"
            _settled(described, incident["incident_id"])
            assert program.stop(signal.SIGINT) == 0
        assert supervisor.process("triggerer").pid == before


def _silent_for(platform: Platform) -> float:
    """Seconds since the triggerer's last heartbeat, as Airflow itself says."""
    health = httpx.get(f"{platform.airflow.url}/api/v2/monitor/health", timeout=30).json()
    last = datetime.fromisoformat(health["triggerer"]["latest_triggerer_heartbeat"])
    return (datetime.now(UTC) - last).total_seconds()


def _ask(folder: Path, path: str) -> Any:
    found = json.loads((folder / "var/up/filled-in.json").read_text())
    token = (folder / "airwarden.secrets/remediator-api-token").read_text().strip()
    url = f"http://{found['AIRWARDEN_REMEDIATOR__LISTEN']}/api/v1/{path}"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return answer.raise_for_status().json()


def _incident(program: Program, folder: Path, **labels: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        if program.process.poll() is not None:
            pytest.fail(f"up has ended:\n{program.output()}", pytrace=False)
        try:
            found = _ask(folder, "incidents")["incidents"]
        except (httpx.HTTPError, OSError):
            return None
        return next((one for one in found if labels.items() <= one["labels"].items()), None)

    return eventually(look, within=180, every=0.5, what=f"an incident with {labels}") or {}


def _settled(folder: Path, number: str) -> None:
    """Wait until it is decided, and see that nothing was done."""

    def escalated() -> bool:
        return bool(_ask(folder, f"incidents/{number}")["state"] == "ESCALATED")

    eventually(escalated, within=120, every=0.5, what="the decision")
    incident = _ask(folder, f"incidents/{number}")
    assert all(effect["state"] is None for effect in incident["effects"]), incident["effects"]
