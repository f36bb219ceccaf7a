"""The runbooks: one page per alert, shipped as package data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from airwarden.core.errors import NotFoundError
from airwarden.rules.config import RuleConfig

_FOLDER = files("airwarden.rules") / "runbooks"


@cache
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


def filled(name: str, config: RuleConfig) -> str:
    """Return an alert's runbook with an installation's addresses, so that its commands can be copied.

    Raises:
        NotFoundError: There is none.
    """
    text = read(name)
    for default, own in _places(config):
        text = text.replace(default, own)
    return text


def _places(config: RuleConfig) -> tuple[tuple[str, str], ...]:
    """Return what the pages name by default, and what is there in this installation."""
    remediator = config.remediator.url.rstrip("/") if config.remediator else ""
    exporter = f"{'https' if config.exporter_access.https else 'http'}://{config.exporters[0]}"
    places = (
        ("http://127.0.0.1:9093", config.alertmanagers[0].rstrip("/")),
        ("http://127.0.0.1:9810", exporter),
        ("http://127.0.0.1:9811", remediator),
        ("cluster=default", f"cluster={config.clusters[0]}"),
    )
    return tuple((default, own) for default, own in places if own and own != default)
