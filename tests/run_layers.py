"""Run the tests layer by layer, each in its own process, and print what each one cost.

`make test` runs every layer, set-up included; `make check` the fast ones; `make reliability` what takes
minutes. It needs nothing beside the
standard library, because set-up itself is the first layer. A layer that fails does not stop the later
ones, except set-up. The exit status is 0 only if every step of every layer succeeded.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ".venv/bin/"
#: A layer is stopped after this many times its budget, but not before this many seconds (a first run
#: fills caches): a hanging run must end by itself.
PATIENCE, LEAST_PATIENCE = 3.0, 300.0
#: Bytes that must be free in memory for a layer's temporary files to lie there: it uses a fifth of them.
ROOM = 5 * 10**9


@dataclass(frozen=True)
class Layer:
    """One layer: shell-free commands run in order, within a budget of seconds."""

    name: str
    budget: float
    steps: tuple[tuple[str, ...], ...]
    #: Its temporary files lie in memory where there is room: a flush to a busy disk costs seconds.
    in_memory: bool = False


@dataclass
class Result:
    """What one layer did. `failed` counts tests, and steps that failed without any test failing."""

    layer: Layer
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    complaints: list[str] = field(default_factory=list)


def pytest(
    *folders: str, processes: tuple[str, ...] = (), marked: str = "not reliability"
) -> tuple[str, ...]:
    """Return the command that runs these test folders."""
    return (f"{BIN}python", "-m", "pytest", "-q", "-m", marked, *processes, *folders)


#: Tests that share nothing but the processor: on two cores in half the time.
TWO = ("-n", "2", "--dist", "worksteal")
#: What `check` runs of the unit tests: those that follow the engine for hours of virtual time, or speak to servers, are left out.
QUICK = "not reliability and not thorough"
#: Those that share a server within a file, or a group of files. They wait for it more than they compute.
THREE_BY_FILE = ("-n", "3", "--dist", "loadfile")
THREE_BY_GROUP = ("-n", "3", "--dist", "loadgroup")


#: What `reliability` runs, and the one file of it that is a layer of its own.
LONG = "reliability"
CRASHES = "tests/service/remediation/test_crash_points.py"

STATIC = (
    (f"{BIN}ruff", "format", "--check", "--quiet", "."),
    (f"{BIN}ruff", "check", "--quiet", "."),
    (f"{BIN}mypy",),
    (f"{BIN}lint-imports", "--no-logo"),
)
#: Every link, anchor and page of the documentation, as a site.
SITE = (f"{BIN}mkdocs", "build", "--strict", "--quiet")

#: `test` starts on a fresh machine and has 25 minutes; `check` runs on a warm one and has 90 seconds.
PLANS: dict[str, tuple[Layer, ...]] = {
    "test": (
        Layer(
            "set-up",
            240,
            (
                ("sh", "deploy/local/bootstrap.sh", "platform"),
                ("sh", "deploy/local/bootstrap.sh", "browser"),
            ),
        ),
        Layer("static", 120, (*STATIC, SITE)),
        Layer("unit", 90, (pytest("tests/unit", processes=TWO),), in_memory=True),
        Layer(
            "contract and CLI",
            90,
            (pytest("tests/contract", "tests/cli", processes=THREE_BY_GROUP),),
            in_memory=True,
        ),
        Layer("service", 330, (pytest("tests/service", processes=THREE_BY_FILE),), in_memory=True),
        Layer("browser", 120, (pytest("tests/browser", processes=TWO),)),
        # In one process: the platform comes up while the soak is on.
        Layer("soak, acceptance", 480, ((*pytest("tests/soak", "tests/acceptance"), "-s"),)),
    ),
    "check": (
        Layer("set-up", 5, (("sh", "deploy/local/bootstrap.sh", "venv"),)),
        Layer("static", 25, STATIC),
        Layer("unit", 45, (pytest("tests/unit", processes=TWO, marked=QUICK),)),
        Layer("CLI", 15, (pytest("tests/cli", processes=TWO),)),
    ),
    "reliability": (
        Layer("set-up", 240, (("sh", "deploy/local/bootstrap.sh", "platform"),)),
        Layer("unit", 900, (pytest("tests/unit", processes=TWO, marked=LONG),)),
        Layer("contract", 600, (pytest("tests/contract", marked=LONG),)),
        Layer("crash points", 1500, (pytest(CRASHES, processes=TWO, marked=LONG),)),
        # One at a time: it is the seconds of a takeover, and of a page, that are promised.
        Layer("service", 2400, (pytest("tests/service", f"--ignore={CRASHES}", marked=LONG),)),
        Layer("acceptance", 900, (pytest("tests/acceptance", marked=LONG),)),
    ),
}


@contextlib.contextmanager
def place_of(layer: Layer) -> Iterator[Path | None]:
    """Give the folder in memory where a layer's temporary files are to lie, if there is room."""
    shared = Path("/dev/shm")
    room = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM
    if not (layer.in_memory and room):
        yield None
        return
    # A short name: a socket's path may have 107 characters, and tests have sockets deep in there.
    with tempfile.TemporaryDirectory(prefix="aw", dir=shared) as folder:
        Path(folder).chmod(0o1777)  # PostgreSQL runs as a user of its own
        yield Path(folder)


def run_step(command: tuple[str, ...], *, within: float, environment: Mapping[str, str]) -> int:
    """Run one command in its own process group and return its exit status.

    When it takes longer than `within` seconds, or on Ctrl-C, the whole group is ended.
    """
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, env={**os.environ, **environment}
    )
    try:
        return process.wait(timeout=within)
    except subprocess.TimeoutExpired:
        print(f"stopped after {within:.0f} s: {' '.join(command)}", flush=True)
        return 124
    finally:
        if process.poll() is None:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to stop, so that fixtures clean up; after 20 s make it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def count(report: Path) -> tuple[int, int, int]:
    """Return (passed, failed, skipped) from a JUnit report; zeros if pytest wrote none."""
    if not report.exists():
        return 0, 0, 0
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
    failed = totals["failures"] + totals["errors"]
    return max(totals["tests"] - failed - totals["skipped"], 0), failed, totals["skipped"]


def run_layer(layer: Layer, reports: Path) -> Result:
    """Run a layer's steps one after another, all of them even if one fails."""
    result = Result(layer)
    began = time.monotonic()
    print(f"\n== {layer.name}", flush=True)
    for number, step in enumerate(layer.steps):
        report = reports / f"{layer.name.replace(' ', '-')}-{number}.xml"
        with_report = (*step, f"--junitxml={report}") if "pytest" in step else step
        left = max(layer.budget * PATIENCE, LEAST_PATIENCE) - (time.monotonic() - began)
        with place_of(layer) as place:
            there = (f"--basetemp={place / 't'}",) if place else ()
            status = run_step(
                (*with_report, *there),
                within=max(left, 1.0),
                environment={"TMPDIR": str(place)} if place else {},
            )
        passed, failed, skipped = count(report)
        result.passed += passed
        result.skipped += skipped
        result.failed += failed
        if status:
            result.complaints.append(f"{' '.join(step)}: exit status {status}")
            result.failed += 0 if failed else 1
    result.seconds = time.monotonic() - began
    return result


def print_table(results: list[Result]) -> None:
    """Print seconds against the budget and the counts of each layer."""
    print(f"\n{'layer':<18}{'seconds':>9}{'budget':>8}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for result in results:
        over = "  over budget" if result.seconds > result.layer.budget else ""
        print(
            f"{result.layer.name:<18}{result.seconds:>9.1f}{result.layer.budget:>8.0f}"
            f"{result.passed:>8}{result.failed:>8}{result.skipped:>9}{over}"
        )
    total, budget = sum(r.seconds for r in results), sum(r.layer.budget for r in results)
    print(f"{'all':<18}{total:>9.1f}{budget:>8.0f}")
    for result in results:
        for complaint in result.complaints:
            print(f"failed: {result.layer.name}: {complaint}")


def main(arguments: list[str]) -> int:
    """Run a plan, or some of its layers, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=sorted(PLANS))
    parser.add_argument("--only", action="append", default=[], metavar="LAYER")
    options = parser.parse_args(arguments)
    names = [layer.name for layer in PLANS[options.plan]]
    unknown = [name for name in options.only if name not in names]
    if unknown:
        parser.error(f"no layer {unknown[0]!r}; there are: {', '.join(names)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` ends the children
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="airwarden-tests-") as folder:
        for layer in PLANS[options.plan]:
            if options.only and layer.name not in options.only:
                continue
            results.append(run_layer(layer, Path(folder)))
            if layer.name == "set-up" and results[-1].failed:
                break
    print_table(results)
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    skipped = sum(r.skipped for r in results)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
