"""The command line answers at once: clients that take seconds to import are loaded when used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = frozenset(
    {
        "airflow_client",
        "celery",
        "fastapi",
        "grafanalib",
        "kubernetes",
        "prometheus_api_client",
        "slack_sdk",
        "sqlalchemy",
        "uvicorn",
    }
)

#: What `build` has no use for where nobody asks for it, with all that is below.
NOT_FOR_BUILDING = frozenset(
    {
        "airwarden.adapters",
        "airwarden.cli.checks",
        "airwarden.cli.kubernetes_objects",
        "airwarden.dashboards.boards",  # drawn in a process of their own
        "airwarden.exporters",
        "airwarden.remediation",
        "airwarden.rules.backtest",
        "airwarden.rules.formats",
        "airwarden.rules.subtree",
        "attr",
        "cryptography",
        "httpx",
        "jinja2",
        "markdown_it",
        "numpy",
        "psycopg",
        "pygments",
        "rich",
        "structlog",
    }
)

SCRIPT = """
import json, sys
sys.argv = ["airwarden", *sys.argv[1:]]
from airwarden.cli.main import main
try:
    main()
except SystemExit as end:
    status = end.code
else:
    status = 0
print(json.dumps({"status": status, "modules": sorted(sys.modules)}))
"""


def answered(arguments: list[str], folder: Path) -> dict[str, Any]:
    """Return the exit status of a command, and every module that it imported."""
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    return answer


def among(unwanted: frozenset[str], modules: list[str]) -> set[str]:
    """Return the modules that are unwanted, or below one that is."""
    return {one for one in modules if any(f"{one}.".startswith(f"{name}.") for name in unwanted)}


@pytest.mark.parametrize("arguments", [["--help"], ["--no-such-option"]])
def test_no_heavy_client_is_imported_to_answer(arguments: list[str], tmp_path: Path) -> None:
    answer = answered(arguments, tmp_path)
    assert answer["status"] == (0 if arguments == ["--help"] else 2)
    assert "typer" in answer["modules"]
    assert among(HEAVY, answer["modules"]) == set()


def test_building_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "airwarden.yaml").write_text("clusters: []\n")
    answer = answered(["build"], tmp_path)
    assert answer["status"] == 0
    assert (tmp_path / "build/prometheus/prometheus.yml").exists()
    assert among(HEAVY | NOT_FOR_BUILDING, answer["modules"]) == set()
    commands = among(frozenset({"airwarden.cli.commands"}), answer["modules"])
    assert commands == {"airwarden.cli.commands", "airwarden.cli.commands.build"}


def test_what_draws_is_there_before_it_is_told_what_to_draw() -> None:
    """The dashboards' process imports while the settings are read, not once they have been read."""
    outcome = subprocess.run(
        [sys.executable, "-c", "import sys, airwarden.dashboards.generate; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "grafanalib.core" in outcome.stdout.split()
