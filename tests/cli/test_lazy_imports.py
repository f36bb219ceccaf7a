"""What a command does not need it does not import: the heavy clients together take seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from airwarden.cli.main import run
code = run(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted({m.split(".")[0] for m in sys.modules})}))
"""
CLIENTS = {
    "kubernetes",
    "airflow_client",
    "celery",
    "slack_sdk",
    "sqlalchemy",
    "fastapi",
    "psycopg",
}


@pytest.mark.parametrize("arguments", [["--help"], ["build"], ["incidents", "--help"]])
def test_no_client_of_another_system_is_imported(arguments: list[str], tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data"
    blocks = ("monitoring_framework", "resource_allocation")
    text = "".join((data / f"{name}.yaml").read_text(encoding="utf-8") for name in blocks)
    (tmp_path / "airwarden.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["code"] == 0, done.stderr
    assert "typer" in answer["modules"]
    assert CLIENTS.isdisjoint(answer["modules"])


def test_the_remediator_starts_without_what_it_may_never_need() -> None:
    """Clients are imported when they are first called, Alembic when there is something to migrate."""
    script = "import json, sys, airwarden.cli.remediating; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    imported = {module.split(".")[0] for module in json.loads(done.stdout)}
    assert "sqlalchemy" in imported
    assert not imported & (CLIENTS - {"sqlalchemy"} | {"alembic"})
