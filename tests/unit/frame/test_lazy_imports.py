"""The command line answers at once: clients that take seconds to import are loaded when used."""

from __future__ import annotations

import json
import subprocess
import sys

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
print(json.dumps({"status": status, "modules": sorted({m.split(".")[0] for m in sys.modules})}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--no-such-option"]])
def test_no_heavy_client_is_imported_to_answer(arguments: list[str]) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    answer = json.loads(outcome.stdout.splitlines()[-1])
    assert answer["status"] == (0 if arguments == ["--help"] else 2)
    assert "typer" in answer["modules"]
    assert HEAVY & set(answer["modules"]) == set()
