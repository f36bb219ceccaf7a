"""Who may import whom: the contracts hold, and they really catch what they forbid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import grimp
import pytest

from support.repository import PARTS, ROOT, committed

#: One forbidden import for each promise of the contracts.
FORBIDDEN = {
    "core/airwarden/core/clock.py": "import airwarden.rules",
    "core/airwarden/core/errors.py": "import sqlalchemy",
    "exporters/airwarden/exporters/__init__.py": "import airwarden.adapters",
    "rules/airwarden/rules/__init__.py": "from airwarden import remediation",
    "dashboards/airwarden/dashboards/__init__.py": "import airwarden.cli.main",
    "remediation/airwarden/remediation/world.py": "import kubernetes",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the parts below `folder`, and on no installed copy of them.

    `-S` leaves out the `.pth` file of the editable install, which would mix in the working tree.
    """
    paths = [*(str(folder / part) for part in PARTS), sysconfig.get_path("purelib")]
    command = "from importlinter.cli import lint_imports_command as c; c()"
    options = ["--no-cache", "--no-logo", "--config", "pyproject.toml"]
    return subprocess.run(
        [sys.executable, "-S", "-c", command, *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in committed("pyproject.toml", *(f"{part}/*.py" for part in PARTS)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def test_every_contract_is_kept() -> None:
    outcome = lint(ROOT)
    assert outcome.returncode == 0, outcome.stdout
    assert ", 0 broken" in outcome.stdout


def test_each_forbidden_import_is_found(copy: Path) -> None:
    for path, statement in FORBIDDEN.items():
        with (copy / path).open("a") as file:
            file.write(f"\n{statement}\n")
    report = lint(copy)
    assert report.returncode == 1
    for found in (
        "airwarden.core.clock -> airwarden.rules",
        "airwarden.core.errors -> sqlalchemy",
        "airwarden.exporters -> airwarden.adapters",
        "airwarden.rules -> airwarden.remediation",
        "airwarden.dashboards -> airwarden.cli.main",
        "airwarden.remediation.world -> kubernetes",
    ):
        assert found in report.stdout, f"not reported: {found}\n{report.stdout}"


def test_no_module_escapes_the_contracts() -> None:
    """A namespace package is easily seen in part only: the import graph must hold every file."""
    graph = grimp.build_graph("airwarden", cache_dir=None)
    expected = set()
    for part in PARTS:
        for path in committed(f"{part}/airwarden/*.py"):
            module = path.removeprefix(f"{part}/").removesuffix(".py").replace("/", ".")
            expected.add(module.removesuffix(".__init__"))
    seen = {module for module in graph.modules if module != "airwarden"}
    assert expected - seen == set()
