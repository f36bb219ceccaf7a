"""The repository as tests about its own shape see it: its root, its parts, its committed files."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: The folders that together make the import name `airwarden`, in the order of the layers.
PARTS = ("core", "adapters", "exporters", "rules", "remediation", "dashboards", "cli")


def project() -> dict[str, Any]:
    """Return pyproject.toml as data."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def committed(*patterns: str) -> list[str]:
    """Return the paths of all files that are, or with the next commit will be, under version control.

    Args:
        patterns: Git path specifications; all files when none is given.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(
        path for path in set(listing.stdout.split("\0")) if path and (ROOT / path).is_file()
    )


def text_of(path: str) -> str | None:
    """Return a committed file's text, None for one that is not UTF-8."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
