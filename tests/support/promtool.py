"""Rules judged by promtool in virtual time, as Prometheus itself would evaluate them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def promtool(*arguments: str | Path, seconds: float = 60) -> None:
    """Run promtool; what it prints is the message of the failure if it is not content."""
    program = shutil.which("promtool")
    assert program, "promtool is missing: install Debian's prometheus package"
    done = subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def written_test(test: Mapping[str, Any], file: Path) -> Path:
    """Write a file of rule tests, every expression on one line, and return it."""
    # promtool names the line of a failed look: folded expressions would hide which it was.
    file.write_text(yaml.safe_dump(dict(test), sort_keys=False, width=10_000), encoding="utf-8")
    return file


def holds(test: Mapping[str, Any], folder: Path) -> None:
    """Fail unless what the test says of the rule files in `folder` is so."""
    promtool("test", "rules", written_test(test, folder / "test.yml"))
