"""The generated files, judged by the programs that will read them: promtool and amtool."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from airwarden.cli.checks.finding import Finding, Level
from airwarden.cli.outputs import write_all

_SECONDS = 60


def check_generated(files: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what promtool and amtool say; a tool that is not installed is named, not required."""
    with tempfile.TemporaryDirectory(prefix="airwarden-check-") as name:
        folder = Path(name)
        write_all(files, folder)
        rules = sorted(str(path) for path in (folder / "prometheus/rules").glob("*.yml"))
        yield from _run(folder, "promtool", "check", "rules", *rules)
        yield from _run(
            folder, "amtool", "check-config", str(folder / "alertmanager/alertmanager.yml")
        )


def _run(folder: Path, tool: str, *arguments: str) -> Iterator[Finding]:
    path = shutil.which(tool)
    if path is None:
        yield Finding("generated files", Level.INFO, f"{tool} is not on PATH: not judged by it")
        return
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("generated files", Level.WARNING, f"{tool} did not finish: {error}")
        return
    if done.returncode:
        said = (done.stderr + done.stdout).replace(f"{folder}/", "")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        message = "; ".join(line for line in lines if "SUCCESS" not in line)[:2000]
        yield Finding("generated files", Level.ERROR, f"{tool}: {message}", "this is our mistake")
