"""What users install: the wheel made from the source distribution, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.repository import PARTS, ROOT, committed, project

pytestmark = pytest.mark.thorough

UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    outcome = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert outcome.returncode == 0, f"{command}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel from it and from nothing else."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, with the locked versions of what it needs, in a new environment."""
    folder = tmp_path_factory.mktemp("clean")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    lock = ROOT / "requirements.lock"
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", lock, wheel)
    return folder / "venv"


def test_the_wheel_holds_every_file_of_the_parts_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        path.removeprefix(f"{part}/") for part in PARTS for path in committed(f"{part}/airwarden")
    }
    assert names == expected
    assert "airwarden/__init__.py" not in names


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_works_where_nothing_else_is_installed(environment: Path, tmp_path: Path) -> None:
    script = "import importlib; [importlib.import_module('airwarden.' + p) for p in %r]"
    run(environment / "bin/python", "-I", "-c", script % (PARTS,), cwd=tmp_path)
    helped = run(environment / "bin/airwarden", "--help", cwd=tmp_path)
    assert "airwarden" in helped
    where = run(
        environment / "bin/python", "-I", "-c", "import airwarden.core as c; print(c.__file__)"
    )
    assert where.startswith(str(environment)), "the clean environment sees the working tree"


def test_its_version_is_the_projects(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "bin/airwarden", "--version", cwd=tmp_path)
    assert said.split() == ["airwarden", project()["project"]["version"]]


def test_it_builds_from_the_profiles_blocks_with_the_data_it_brings(
    environment: Path, tmp_path: Path
) -> None:
    profile = (ROOT / "tests/data/monitoring_framework.yaml").read_text()
    (tmp_path / "airwarden.yaml").write_text(profile)
    run(environment / "bin/airwarden", "build", "--out", "out", cwd=tmp_path)
    written = {str(path.relative_to(tmp_path / "out")) for path in tmp_path.rglob("out/**/*.*")}
    assert "alertmanager/alertmanager.yml" in written
    assert "prometheus/prometheus.yml" in written
    assert "grafana/airwarden-overview.json" in written
    rules = "".join(path.read_text() for path in tmp_path.glob("out/prometheus/rules/*.yml"))
    assert "AirflowSchedulerLagHigh" in rules
