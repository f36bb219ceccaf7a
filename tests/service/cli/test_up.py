"""`airwarden up` with a real Prometheus and Alertmanager, over a platform that is not there."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.eventually import eventually
from support.programs import Program, airwarden

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

SETTINGS = """\
clusters:
  - name: test
    airflow: {url: "http://127.0.0.1:1", auth: {token_file: token}}
dependencies: [{name: ghost, probe: {tcp: "127.0.0.1:1"}}]
prometheus: {scrape_interval: 1s, evaluation_interval: 1s}
alertmanager: {remediator_group_interval: 1s}
alerts: {AirflowDependencyDown: {hold: 1s}}
playbooks: {dependency-breaker: {confirm: {times: 1, every: 1s}}}
"""


class Site:
    """A settings file and the state that `up` keeps for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "var/up"
        (folder / "airwarden.yaml").write_text(SETTINGS)
        (folder / "token").write_text("token-of-the-test\n")

    def ask(self, path: str) -> Any:
        found = json.loads((self.state / "filled-in.json").read_text())
        token = Path(found["AIRWARDEN_REMEDIATOR__API_TOKEN_FILE"]).read_text().strip()
        url = f"http://{found['AIRWARDEN_REMEDIATOR__LISTEN']}/api/v1/{path}"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        return answer.raise_for_status().json()

    def processes(self) -> list[str]:
        """Command lines of processes that have to do with this site."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if str(self.folder).encode() in line:
                found.append(line.replace(b"\0", b" ").decode())
        return found


def started(program: Program) -> None:
    def up() -> bool:
        assert program.process.poll() is None, program.output()
        return "Ctrl-C stops everything" in program.output()

    eventually(up, within=120, every=0.2, what="up to be up")


def reported(site: Site, dependency: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        try:
            found = site.ask("incidents")["incidents"]
        except (httpx.HTTPError, OSError):
            return None
        named = [one for one in found if one["labels"].get("dependency") == dependency]
        return named[0] if named else None

    return eventually(look, within=120, every=0.5, what="the incident") or {}


def test_a_fault_is_told_in_shadow_within_two_minutes_and_kept_over_a_restart(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    began = time.monotonic()
    with airwarden("up", folder=tmp_path) as program:
        started(program)
        incident = reported(site, "ghost")
        assert time.monotonic() - began < 120
        assert incident["mode"] == "shadow"
        assert incident["playbook"] == "dependency-breaker"
        assert program.stop(signal.SIGINT) == 0
    assert program.output().endswith("stopped\n")
    assert site.processes() == []
    (tmp_path / "up.out").unlink()
    with airwarden("up", folder=tmp_path) as program:
        started(program)
        assert reported(site, "ghost")["incident_id"] == incident["incident_id"]
        assert program.stop() == 0
    assert site.processes() == []


def test_a_second_one_on_the_same_state_is_refused_and_bad_settings_stop_nothing(
    tmp_path: Path,
) -> None:
    site, other = Site(tmp_path), tmp_path / "other"
    other.mkdir()
    config = str(tmp_path / "airwarden.yaml")
    with airwarden("up", folder=tmp_path) as program:
        started(program)
        with airwarden("up", "--config", config, folder=other) as second:
            assert second.process.wait(timeout=60) == 2
        assert "another airwarden up runs on this folder" in second.output()
        (tmp_path / "airwarden.yaml").write_text(SETTINGS + "nonsense: 1\n")
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings refused" in program.output(), within=60)
        assert site.ask("status")["leader"] in (True, False)
        (tmp_path / "airwarden.yaml").write_text(SETTINGS)
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings read again" in program.output(), within=60)


def test_a_child_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "journal.db").write_text("no database, and longer than the header of one" * 100)
    spoilt = f'remediator: {{journal: {{url: "sqlite:///{tmp_path}/journal.db"}}}}\n'
    (tmp_path / "airwarden.yaml").write_text(SETTINGS + spoilt)
    with airwarden("up", folder=tmp_path) as program:
        assert program.process.wait(timeout=120) == 1
    assert "remediator ended while starting" in program.output()
    assert "not a database" in program.output()
    assert site.processes() == []
