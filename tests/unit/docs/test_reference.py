"""The reference pages: as generated, and with a line for everything that exists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache

import pytest

from airwarden.cli.reference import pages, playbooks
from airwarden.core.metrics import CATALOGUE
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide import guards
from airwarden.remediation.decide.rails import Rails
from airwarden.rules.catalogue import ALERTS
from stories.alone import with_table
from support.repository import ROOT


@cache
def fresh() -> Mapping[str, str]:
    """The pages as they are made now: seconds of work, for whom it is that runs these tests."""
    return pages()


#: Written by whoever measured, with the command that repeats each figure.
MEASURED = "reliability.md"
#: Written by `make bench`, and different on every machine.
BENCHMARKS = "benchmarks.md"
#: Written of what `make bench-faults` and `RECORD=1 make demo` keep; their own tests hold them to it.
FAULTS = {"side-by-side.md", "playbooks-measured.md"}
BY_HAND = {MEASURED, BENCHMARKS, *FAULTS}


def test_no_page_is_there_that_nothing_generates() -> None:
    there = {path.name for path in (ROOT / "docs/reference").iterdir()}
    assert there == {*fresh(), *BY_HAND}


@pytest.mark.parametrize(
    "name",
    sorted({path.name for path in (ROOT / "docs/reference").iterdir()} - BY_HAND),
)
def test_the_committed_page_is_what_a_fresh_run_gives(name: str) -> None:
    assert (ROOT / "docs/reference" / name).read_text() == fresh()[name], "run `make generate`"


def test_the_table_of_airflow_alone_is_the_committed_measurement() -> None:
    page = (ROOT / "docs/reference" / MEASURED).read_text()
    assert with_table(page) == page, "run `make demo ALONE=1`"
    assert "frozen-scheduler" in page


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("metrics.md", sorted(CATALOGUE)),
        ("alerts.md", sorted(ALERTS)),
        ("playbooks.md", [book.name for book in playbooks()]),
        ("actions.md", [*sorted(actions()), *sorted(checks())]),
        ("rails.md", sorted(Rails.names())),
    ],
)
def test_everything_has_its_line(page: str, names: list[str]) -> None:
    assert names
    missing = [name for name in names if name not in fresh()[page]]
    assert missing == []


@pytest.mark.parametrize("name", sorted([*actions(), *checks()]))
def test_every_action_and_check_says_what_it_does(name: str) -> None:
    (line,) = [row for row in fresh()["actions.md"].splitlines() if row.startswith(f"| `{name}` ")]
    assert len(line.split("|")[-2].strip()) > 20


def test_every_guard_is_explained() -> None:
    names = re.findall(r'Refusal\(\s*"([a-z-]+)"', inspect.getsource(guards))
    page = (ROOT / "docs/explanation/safety-rails.md").read_text()
    assert len(set(names)) >= 10
    assert [name for name in names if f"| `{name}` |" not in page] == []
