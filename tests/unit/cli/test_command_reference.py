from __future__ import annotations

from pathlib import Path

from airwarden.cli.reference import render

PAGE = Path(__file__).parents[3] / "docs/reference/commands.md"


def test_the_committed_page_equals_a_fresh_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "regenerate: python -m airwarden.cli.reference"
    )
