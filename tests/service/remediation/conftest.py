"""Both kinds of journal: every test of the journal runs on each."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("fresh_database")().sqlalchemy_url
    return url
