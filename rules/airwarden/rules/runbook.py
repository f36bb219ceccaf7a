"""The runbooks: one page per alert, shipped as package data."""

from __future__ import annotations

from importlib.resources import files

from airwarden.core.errors import NotFoundError

_FOLDER = files("airwarden.rules") / "runbooks"


def names() -> frozenset[str]:
    """Return the names of the alerts that have a runbook."""
    return frozenset(
        page.name.removesuffix(".md") for page in _FOLDER.iterdir() if page.name.endswith(".md")
    )


def read(name: str) -> str:
    """Return an alert's runbook as Markdown; raises NotFoundError where there is none."""
    if name not in names():
        raise NotFoundError(f"there is no runbook {name!r}")
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
