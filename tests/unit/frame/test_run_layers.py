"""The script behind `make test`: it counts what pytest saw, and no failure or hang gets lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import run_layers
from run_layers import PLANS, Layer, run_layer
from support.eventually import eventually
from support.repository import ROOT

PASSES, FAILS = (sys.executable, "-c", ""), (sys.executable, "-c", "raise SystemExit(3)")
#: Folders of tests that have a target of their own: `make bench`, `make image-test`.
APART = {"bench", "image"}
ONE_OF_EACH = """
import pytest
def test_passes() -> None: assert True
def test_fails() -> None: assert False
def test_skips() -> None: pytest.skip("here")
"""


@pytest.fixture(autouse=True)
def _plain_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner pytest needs none of our plugins, and starts in half the time without."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_tests_are_counted_from_their_report(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(ONE_OF_EACH)
    command = (sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path))
    result = run_layer(Layer("sample", 60, (command,)), tmp_path)
    assert (result.passed, result.failed, result.skipped) == (1, 1, 1)
    assert len(result.complaints) == 1


def test_a_step_that_fails_without_a_test_counts_and_the_next_still_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    after = (sys.executable, "-c", f"open({str(trace)!r}, 'w')")
    result = run_layer(Layer("sample", 60, (FAILS, after)), tmp_path)
    assert result.failed == 1
    assert "exit status 3" in result.complaints[0]
    assert trace.exists()


def test_no_collected_test_is_a_failure(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path))
    result = run_layer(Layer("sample", 60, (command,)), tmp_path)
    assert (result.passed, result.failed) == (0, 1)


def test_a_hanging_step_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_layers, "LEAST_PATIENCE", 1.5)
    told = tmp_path / "pid"
    script = (
        "import subprocess, sys, pathlib; "
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); "
        f"pathlib.Path({str(told)!r}).write_text(str(child.pid)); child.wait()"
    )
    result = run_layer(Layer("sample", 0.5, ((sys.executable, "-c", script),)), tmp_path)
    assert result.failed == 1
    assert "exit status 124" in result.complaints[0]
    child = int(told.read_text())

    def gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{child}/stat")
        return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    assert eventually(gone, within=5)


def test_the_budgets_are_what_was_promised() -> None:
    assert sum(layer.budget for layer in PLANS["test"]) <= 25 * 60
    assert sum(layer.budget for layer in PLANS["check"]) <= 90


def test_the_plans_name_folders_that_exist_and_every_folder_of_tests_is_in_one() -> None:
    named = {
        argument
        for layer in PLANS["test"]
        for step in layer.steps
        for argument in step
        if argument.startswith("tests/")
    }
    holding = {
        path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").rglob("test_*.py")
    } - APART
    assert {f"tests/{name}" for name in holding} <= named


def test_no_long_test_is_left_out_of_the_plan_for_them() -> None:
    named = {
        argument
        for layer in PLANS["reliability"]
        for step in layer.steps
        for argument in step
        if argument.startswith("tests/")
    }
    holding = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.reliability" in path.read_text()
    } - APART
    assert {f"tests/{name}" for name in holding} <= named
