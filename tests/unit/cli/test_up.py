from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.cli.up import programs, state
from airwarden.cli.up.children import Child, ChildEndedError, stop_all
from airwarden.cli.up.stack import Stack
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings, parse
from support.eventually import eventually


def read(text: str = "") -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


def test_what_the_settings_leave_open_is_filled_in_and_survives_a_restart(tmp_path: Path) -> None:
    found = state.overrides(read(), tmp_path)
    token = Path(found["AIRWARDEN_REMEDIATOR__WEBHOOK_TOKEN_FILE"])
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text().strip()) >= 40
    # One journal for both ways of running: the settings' own.
    assert not any("JOURNAL" in name for name in found)
    assert found["AIRWARDEN_PROMETHEUS__URL"] == f"http://{found['AIRWARDEN_PROMETHEUS__LISTEN']}"
    before = token.read_text()
    state.overrides(read(), tmp_path)
    assert token.read_text() == before


def test_what_the_settings_say_is_left_alone(tmp_path: Path) -> None:
    text = """
remediator: {webhook_token_file: w, api_token_file: a, journal: {url: "sqlite:////j.db"}}
prometheus: {url: "http://p:9090"}
alertmanager: {url: "http://a:9093"}
"""
    found = state.overrides(read(text), tmp_path)
    assert sorted(found) == ["AIRWARDEN_EXPORTER__LISTEN", "AIRWARDEN_REMEDIATOR__LISTEN"]


def test_a_default_port_that_is_taken_gives_way_and_a_written_one_does_not(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wanted = read().exporter.listen.model_copy(update={"port": port})
        assert state._free(wanted, set()).port != port
        written = read(f"exporter: {{listen: '127.0.0.1:{port}'}}")
        found = state.overrides(written, tmp_path)
    assert found["AIRWARDEN_EXPORTER__LISTEN"] == f"127.0.0.1:{port}"


def test_no_port_is_given_twice() -> None:
    listen = read().exporter.listen.model_copy(update={"port": 1})
    first = state._free(listen.model_copy(update={"port": 0}), set())
    assert state._free(first, {first.port}).port != first.port


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ("notifications: {slack: {token_file: nowhere}}", "notifications.slack.token"),
        ("notifications: {pagerduty: {routing_key_file: nowhere}}", "notifications.pagerduty"),
        ("remediator: {webhook_token_file: nowhere}", "remediator.webhook_token"),
        ("remediator: {journal: {url_file: nowhere}}", "remediator.journal.url"),
        ("remediator: {audit: {key_file: nowhere}}", "remediator.audit.key"),
        ("teams: {growth: {pagerduty_key_file: nowhere}}", "teams.growth.pagerduty_key"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_before_anything_is_started(
    section: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t\n")
    cluster = "clusters: [{airflow: {url: 'http://127.0.0.1:1', auth: {token_file: token}}}]\n"
    config = tmp_path / "airwarden.yaml"
    config.write_text(cluster + section + "\n")
    with pytest.raises(WrongInputError, match="nowhere cannot be read") as caught:
        Stack(config, tmp_path, print)
    key = place.rpartition(".")[2]
    assert place in str(caught.value) or f"{config}:" in caught.value.place, key


def test_one_state_folder_has_one_owner(tmp_path: Path) -> None:
    refused = pytest.raises(WrongInputError, match="another airwarden up")
    with state.owned(tmp_path / "up"), refused, state.owned(tmp_path / "up"):
        pass
    with state.owned(tmp_path / "up"):
        assert (tmp_path / "up").stat().st_mode & 0o777 == 0o700


def test_operators_find_the_one_that_runs(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    assert state.of_running(folder) == {}
    with state.owned(folder):
        state.remember(folder, {"AIRWARDEN_REMEDIATOR__LISTEN": "127.0.0.1:4"})
        assert state.of_running(folder) == {"AIRWARDEN_REMEDIATOR__LISTEN": "127.0.0.1:4"}
    assert state.of_running(folder) == {}


def test_a_missing_program_is_named_with_the_way_around_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(WrongInputError, match="prometheus is not on PATH") as caught:
        programs.find(("prometheus",), "prometheus.url")
    assert "prometheus.url" in caught.value.hint


SLEEPS = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(600)"
)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    found: list[Child] = []
    yield found
    for child in found:
        child.kill()


def child(folder: Path, program: str, name: str = "child") -> Child:
    command = (sys.executable, "-c", program)
    return Child(name, command, dict(os.environ), "http://127.0.0.1:1/", folder / f"{name}.log")


def test_a_child_that_ends_is_started_again(tmp_path: Path, children: list[Child]) -> None:
    one = child(tmp_path, SLEEPS)
    children.append(one)
    one.start()
    first = one.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    said: list[str] = []

    def again() -> bool:
        one.tend(said.append)
        return one.pid not in (None, first)

    eventually(again, within=10, what="a new process")
    assert said == ["child ended with -9; starting it again in 1 s"]


def test_all_are_stopped_even_the_one_that_does_not_want_to(
    tmp_path: Path, children: list[Child]
) -> None:
    children += [child(tmp_path, SLEEPS, "a"), child(tmp_path, STUBBORN, "b")]
    for one in children:
        one.start()
    eventually(lambda: "ready" in (tmp_path / "b.log").read_text(), within=10)
    stop_all(children, grace=0.5)
    assert [one.pid for one in children] == [None, None]


def test_children_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """What is killed with -9 leaves nothing behind."""
    script = f"""
import os, pathlib
from airwarden.cli.up.children import Child
c = Child("c", ({sys.executable!r}, "-c", {SLEEPS!r}), dict(os.environ), "", pathlib.Path("c.log"))
c.start()
pathlib.Path("pid").write_text(str(c.pid))
os.kill(os.getpid(), 9)
"""
    parent = child(tmp_path, f"import os; os.chdir({str(tmp_path)!r})\n{script}", "parent")
    parent.start()
    assert parent.wait(20)
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid), within=10)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    one = Child("prometheus", ("/nowhere/prometheus",), {}, "", tmp_path / "log")
    with pytest.raises(ChildEndedError, match="prometheus cannot be started"):
        one.start()
