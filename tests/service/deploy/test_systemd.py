"""The units as systemd itself reads them, installed below a folder by `make install`."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from airwarden.adapters import host_systemd
from airwarden.core.settings import parse
from support.repository import ROOT

UNITS = ("airwarden-exporter.service", "airwarden-remediator.service")
#: Tenths of `systemd-analyze security`: 10 is "unsafe", 2 is "ok".
LARGEST_EXPOSURE = 2.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install all but the environment; what the units start is there as a file."""
    root = tmp_path_factory.mktemp("root")
    install(root)
    for program in ("opt/airwarden/bin/airwarden", "bin/kill"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", root / program)
    return root


def install(root: Path) -> None:
    """Run the install target."""
    subprocess.run(
        ["make", "--no-print-directory", "install", f"DESTDIR={root}"],
        cwd=ROOT,
        env={**os.environ, "FILES_ONLY": "1"},
        check=True,
        capture_output=True,
        text=True,
    )


def analyze(verb: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd about units below a folder; no systemd needs to run."""
    return subprocess.run(
        ["systemd-analyze", verb, f"--root={root}", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def test_systemd_finds_nothing_to_complain_of(installed: Path) -> None:
    outcome = analyze("verify", installed, "--man=no", "--recursive-errors=no", *UNITS)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_they_are_confined(unit: str, installed: Path) -> None:
    outcome = analyze("security", installed, "--offline=true", "--no-pager", unit)
    (exposure,) = re.findall(rf"Overall exposure level for {unit}: ([\d.]+)", outcome.stdout)
    assert float(exposure) <= LARGEST_EXPOSURE


def test_both_units_differ_in_their_program_alone() -> None:
    exporter, remediator = ((ROOT / "deploy/systemd" / unit).read_text() for unit in UNITS)
    described = re.compile(r"^Description=.*$", flags=re.MULTILINE)
    assert described.sub("", remediator) == described.sub("", exporter).replace(
        "airwarden exporter", "airwarden remediator"
    )


def test_secrets_are_for_their_owner_alone_and_nothing_is_writable_for_others(
    installed: Path,
) -> None:
    assert stat.S_IMODE((installed / "etc/airwarden/secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((installed / "etc/airwarden/airwarden.env").stat().st_mode) == 0o600
    assert stat.S_IMODE((installed / "etc/airwarden/airwarden.yaml").stat().st_mode) == 0o640
    for path in installed.rglob("*"):
        assert not path.stat().st_mode & 0o022, path


def test_a_second_installation_leaves_settings_as_they_are(tmp_path: Path) -> None:
    install(tmp_path)
    settings = tmp_path / "etc/airwarden/airwarden.yaml"
    settings.write_text("remediator: {mode: act}\n")
    unit = tmp_path / "usr/lib/systemd/system" / UNITS[0]
    unit.write_text("[Service]\n")
    install(tmp_path)
    assert settings.read_text() == "remediator: {mode: act}\n"
    assert unit.read_text() == (ROOT / "deploy/systemd" / UNITS[0]).read_text()


def test_another_prefix_stands_in_the_units(tmp_path: Path) -> None:
    subprocess.run(
        ["sh", "deploy/systemd/install.sh"],
        cwd=ROOT,
        env={**os.environ, "DESTDIR": str(tmp_path), "FILES_ONLY": "1", "PREFIX": "/srv/airwarden"},
        check=True,
    )
    started = re.findall(
        r"^ExecStart=(\S+)",
        (tmp_path / "usr/lib/systemd/system" / UNITS[1]).read_text(),
        flags=re.MULTILINE,
    )
    assert started == ["/srv/airwarden/bin/airwarden"]


def test_the_settings_that_are_installed_are_taken(installed: Path) -> None:
    file = installed / "etc/airwarden/airwarden.yaml"
    settings = parse(file.read_text(), source=str(file), environ={})
    assert [cluster.name for cluster in settings.clusters] == ["production"]


def test_what_may_be_restarted_without_a_password_is_named_and_anchored() -> None:
    rules = (ROOT / "deploy/systemd/50-airwarden.rules").read_text()
    (pattern,) = re.findall(r"var units = /(.+)/;", rules)
    allowed = re.compile(pattern)
    assert allowed.search("airflow-scheduler.service")
    assert allowed.search("airflow-worker@1.service")
    for other in ("sshd.service", "airflow-scheduler.service.d", "x-airflow-scheduler.service", ""):
        assert not allowed.search(other), other


def test_every_order_of_the_adapter_is_allowed_and_no_other() -> None:
    """systemctl's own words for orders are the verbs that polkit is asked for."""
    rules = (ROOT / "deploy/systemd/50-airwarden.rules").read_text()
    (listed,) = re.findall(r"var verbs = (\[.+\]);", rules)
    adapter = inspect.getsource(host_systemd)
    assert set(json.loads(listed)) == set(re.findall(r'_order\("([a-z-]+)"', adapter))
    assert 'verbs.indexOf(action.lookup("verb")) >= 0' in rules
