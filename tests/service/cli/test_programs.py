"""Exporter and remediator as real processes: reload, refusal, clean stop. Nothing they watch is there."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from airwarden.cli.main import run
from support.eventually import eventually
from support.programs import airwarden, answers, free_port, value

SETTINGS = """\
clusters:
  - name: test
    airflow: {{url: "http://127.0.0.1:1", auth: {{token_file: token}}}}
exporter: {{listen: "127.0.0.1:{port}"}}
remediator:
  listen: 127.0.0.1:{port}
  webhook_token_file: webhook
  api_token_file: api
"""


@pytest.fixture
def port(tmp_path: Path) -> int:
    found = free_port()
    (tmp_path / "airwarden.yaml").write_text(SETTINGS.format(port=found))
    for name in ("token", "webhook", "api"):
        (tmp_path / name).write_text(f"{name}-token-of-the-test\n")
    return found


def reload_success(url: str) -> float | None:
    return value(answers(f"{url}/metrics"), "airwarden_config_reload_success")


@pytest.mark.parametrize("name", ["exporter", "remediator"])
def test_bad_settings_keep_the_old_ones_in_force_and_show(
    name: str, tmp_path: Path, port: int
) -> None:
    url, file = f"http://127.0.0.1:{port}", tmp_path / "airwarden.yaml"
    good = file.read_text()
    with airwarden(name, folder=tmp_path) as program:
        answers(f"{url}/healthz")
        assert reload_success(url) == 1
        file.write_text(good + "nonsense: 1\n")
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: reload_success(url) == 0, within=60)
        assert "airwarden.yaml:9: nonsense: unknown key" in program.output()
        file.write_text(good)
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: reload_success(url) == 1, within=60)
        assert program.stop() == 0
    assert "Traceback" not in program.output()
    assert "of-the-test" not in program.output()


def test_the_exporter_reloads_over_http_and_says_what_is_wrong(tmp_path: Path, port: int) -> None:
    url, file = f"http://127.0.0.1:{port}", tmp_path / "airwarden.yaml"
    good = file.read_text()
    with airwarden("exporter", folder=tmp_path) as program:
        answers(f"{url}/healthz")
        assert httpx.post(f"{url}/-/reload", timeout=60).status_code == 200
        file.write_text(good.replace("url:", "ulr:", 1))
        answer = httpx.post(f"{url}/-/reload", timeout=60)
        assert answer.status_code == 500
        assert "airwarden.yaml:3" in answer.text
        assert reload_success(url) == 0
        assert program.process.poll() is None


def test_the_remediator_reloads_only_for_operators(tmp_path: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    with airwarden("remediator", folder=tmp_path):
        answers(f"{url}/healthz")
        assert httpx.post(f"{url}/-/reload", timeout=60).status_code == 401
        shown = {"Authorization": "Bearer api-token-of-the-test"}
        assert httpx.post(f"{url}/-/reload", headers=shown, timeout=60).status_code == 200


def test_the_links_in_alerts_lead_to_their_runbooks(tmp_path: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    with airwarden("remediator", folder=tmp_path):
        answers(f"{url}/healthz")
        page = httpx.get(f"{url}/runbooks/AirflowSchedulerHeartbeatLost.md", timeout=60)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/markdown")
        assert "AirflowSchedulerHeartbeatLost" in page.text
        for name in ("Nothing.md", "..%2f..%2fcatalogue.py"):
            assert httpx.get(f"{url}/runbooks/{name}", timeout=60).status_code == 404


@pytest.mark.parametrize("name", ["exporter", "remediator"])
def test_a_taken_address_is_wrong_input(name: str, tmp_path: Path, port: int) -> None:
    with airwarden("exporter", folder=tmp_path) as first:
        answers(f"http://127.0.0.1:{port}/healthz")
        (tmp_path / "second").mkdir()
        config = str(tmp_path / "airwarden.yaml")
        with airwarden(name, "--config", config, folder=tmp_path / "second") as second:
            assert second.process.wait(timeout=30) == 2
        assert f"{name}.listen" in second.output()
        assert "Traceback" not in second.output()
        assert first.process.poll() is None


def test_without_its_token_the_remediator_does_not_start(tmp_path: Path, port: int) -> None:
    (tmp_path / "api").unlink()
    with airwarden("remediator", folder=tmp_path) as program:
        assert program.process.wait(timeout=30) == 2
    assert f"remediator.api_token: file {tmp_path}/api cannot be read" in program.output()


def test_operators_commands_reach_the_remediator(
    tmp_path: Path,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with airwarden("remediator", folder=tmp_path):
        answers(f"http://127.0.0.1:{port}/healthz")
        for arguments, code, said in (
            (("incidents",), 0, "no open incidents"),
            (("pause", "--reason", "a trial"), 0, "all remedies are stopped (everywhere; "),
            (("maintenance", "start", "--for", "1h", "--reason", "patching"), 0, "open until"),
            (("maintenance", "stop"), 0, "is over"),
            (("resume", "--reason", "over"), 0, "remedies run as their modes allow"),
            (("explain", "7"), 1, "there is no incident 7"),
            (("approve", "7"), 1, "there is no incident 7"),
        ):
            assert run(arguments) == code
            out, err = capsys.readouterr()
            assert said in out + err


def test_events_outlive_a_killed_exporter_and_count_once(tmp_path: Path, port: int) -> None:
    url, file = f"http://127.0.0.1:{port}", tmp_path / "airwarden.yaml"
    listen = f'exporter: {{listen: "127.0.0.1:{port}"'
    events = ", events: {token_file: webhook}"
    file.write_text(file.read_text().replace(listen, listen + events))
    shown = {"Authorization": "Bearer webhook-token-of-the-test"}
    event = {"id": "1", "kind": "quality_score", "dataset": "o", "dimension": "d", "score": 0.5}

    def post() -> dict[str, int]:
        answer = httpx.post(f"{url}/api/v1/events", json=event, headers=shown, timeout=60)
        found: dict[str, int] = answer.raise_for_status().json()
        return found

    with airwarden("exporter", folder=tmp_path) as program:
        answers(f"{url}/healthz")
        assert httpx.post(f"{url}/api/v1/events", json=event, timeout=60).status_code == 401
        assert post()["accepted"] == 1
        program.process.kill()
        program.process.wait(timeout=30)
    with airwarden("exporter", folder=tmp_path) as program:
        answers(f"{url}/healthz")
        assert post()["repeated"] == 1
        line = 'airwarden_quality_score_ratio{cluster="test",dataset="o",dimension="d"} 0.5'
        eventually(lambda: line in httpx.get(f"{url}/metrics").text, within=60)
        assert program.stop() == 0
    assert "of-the-test" not in program.output()
