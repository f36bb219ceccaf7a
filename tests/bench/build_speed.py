"""How long `airwarden build` takes for a platform of 15,000 DAGs, the start of the process included.

`python tests/bench/build_speed.py [RUNS]` writes settings with sixty teams, a promise for each of 750 critical
DAGs, rules that label the others, and 300 overrides by DAG, team, tier, type and queue; builds everything from
them again and again in processes of their own, and prints the least, the median and the greatest time, which go to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fleet.page import BUILD_HEADING, write_section
from support.postgres import ROOT

_RUNS = 15
_TEAMS, _PROMISES, _DAG_OVERRIDES = 60, 750, 200
#: What must not be exceeded, seconds of wall time.
_PROMISED = 1.0


def settings() -> str:
    """Return the settings file."""
    profile = (ROOT / "tests/data/monitoring_framework.yaml").read_text(encoding="utf-8")
    return profile + "\n".join([*_platform(), *_overrides(), ""])


def _platform() -> Iterator[str]:
    teams = [f"team_{number:02}" for number in range(1, _TEAMS + 1)]
    yield "teams:"
    yield from (f'  {team}: {{slack_channel: "#{team}"}}' for team in teams)
    yield "clusters:"
    yield "  - name: prod"
    yield "    airflow: {url: https://airflow.example.com, auth: {username: airwarden, password_env: PASSWORD}}"
    yield "    match:"
    yield from (
        f'      - {{dags: "{team}.{kind}_*", team: {team}, type: {kind}, tier: {tier}}}'
        for team in teams
        for kind, tier in (("etl", "high"), ("ml_training", "medium"), ("reporting", "low"))
    )
    yield "slas:"
    yield from (
        f"  - {{dag: {teams[number % _TEAMS]}.etl_{number:05}, target: {1 + number % 12}h}}"
        for number in range(_PROMISES)
    )


def _overrides() -> Iterator[str]:
    yield "alerts:"
    yield "  AirflowDagConsecutiveFailures:"
    yield "    overrides:"
    yield from (
        f"      - {{where: {{dag: team_{1 + number % _TEAMS:02}.reporting_{number:05}}}, "
        f'threshold: ">= {2 + number % 5}"}}'
        for number in range(_DAG_OVERRIDES)
    )
    yield "  AirflowTeamDagFailureRateHigh:"
    yield "    overrides:"
    yield from (
        f'      - {{where: {{team: team_{number:02}}}, threshold: "> {20 + number}%"}}'
        for number in range(1, _TEAMS + 1)
    )
    yield "  AirflowDagFailureRateHigh:"
    yield "    overrides:"
    yield from (
        f'      - {{where: {{type: {kind}, tier: {tier}}}, threshold: "> {limit}% for 15m"}}'
        for kind, limit in (("etl", 3), ("ml_training", 8), ("reporting", 6), ("ad_hoc", 20))
        for tier in ("critical", "high", "medium", "low")
    )
    yield "  AirflowTaskQueueDepthHigh:"
    yield "    overrides:"
    yield from (
        f'      - {{where: {{queue: queue_{number:02}}}, threshold: "> {500 + 100 * number} for 20m"}}'
        for number in range(24)
    )


def measured(folder: Path) -> tuple[float, float]:
    """Build once; returns seconds of wall time and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(
        [str(ROOT / ".venv/bin/airwarden"), "build"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith(("AIRWARDEN_", "PYTHON"))},
    )  # fmt: skip
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure and print; 1 if the median is beyond what is promised."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else _RUNS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = settings()
        (folder / "airwarden.yaml").write_text(text, encoding="utf-8")
        measured(folder)  # what is compiled and read from disk once
        found = [measured(folder) for _ in range(runs)]
        size = sum(file.stat().st_size for file in folder.glob("build/**/*") if file.is_file())
    walls, cpus = zip(*found, strict=True)
    lines = [
        BUILD_HEADING, "",
        f"Written by `tests/bench/build_speed.py` on 2 cores, load average {os.getloadavg()[0]:.1f}: `airwarden build` as a",
        f"process of its own, {runs} times, from {len(text.splitlines()):,} lines of settings (60 teams, 750 promises, 300"
        f" overrides);",
        f"{size / 1024:,.0f} KiB are written.", "",
        "| seconds | least | median | greatest |", "|---|---:|---:|---:|",
        *(
            f"| {kind} | {min(taken):.2f} | {statistics.median(taken):.2f} | {max(taken):.2f} |"
            for kind, taken in (("on the clock", walls), ("of a processor", cpus))
        ),
    ]  # fmt: skip
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(BUILD_HEADING, "\n".join(lines))
    return 0 if statistics.median(walls) < _PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
