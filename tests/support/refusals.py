"""Incidents in which doing nothing is right, each played out: `python -m support.refusals` tells them anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.explain import explain
from airwarden.remediation.windowing import Windowing
from support.platform_bench import PlatformBench
from support.repository import ROOT

MINUTE = 60.0
TOLD = ROOT / "tests" / "data" / "stories"


def bad_deploy(bench: PlatformBench) -> None:
    """200 failures of one team, whose tasks may be run again: still nothing is retried."""
    bench.put_failed("billing_sync", started=True, count=200)
    bench.shout(
        "AirflowTeamDagFailureRateHigh",
        summary="Team billing: 200 of 240 DAG runs failed in the last 15 minutes (83%)",
        team="billing",
    )
    bench.run(20 * MINUTE)


def slow_database(bench: PlatformBench) -> None:
    """Every component is late, because the database is slow; Alertmanager inhibits what follows of it."""
    bench.quiet = {"scheduler", "scheduler2", "triggerer", "dag_processor"}
    bench.database.seconds = 2.5
    bench.run(60)
    for number, name in enumerate(("scheduler", "scheduler2"), 1):
        bench.shout(
            "AirflowSchedulerHeartbeatLost",
            summary=f"Scheduler on {name} has not beaten for 45 s",
            component="scheduler",
            hostname=name,
            job_id=str(number),
        )
    bench.run(15 * MINUTE)


def silence(bench: PlatformBench) -> None:
    """Somebody silenced the alert of a scheduler that is frozen indeed."""
    frozen_scheduler(bench)
    bench.alertmanager.shown = [
        replace(one, suppressed_by=("silence-1",)) for one in bench.alertmanager.shown
    ]
    bench.run(10 * MINUTE)


def maintenance(bench: PlatformBench) -> None:
    """Somebody works on the platform."""
    windowing = Windowing(bench.parts, lambda: None)
    windowing.begin(
        Kind.MAINTENANCE, by="ada", lasts=timedelta(minutes=30), reason="moving the workers"
    )
    frozen_scheduler(bench)
    bench.run(10 * MINUTE)


def unreadable_guard(bench: PlatformBench) -> None:
    """Whether the alert is silenced cannot be read: then it may be."""
    frozen_scheduler(bench)
    bench.alertmanager.down = True
    bench.run(20 * MINUTE)


def frozen_scheduler(bench: PlatformBench) -> None:
    bench.host.freeze("scheduler")
    bench.shout(
        "AirflowSchedulerProcessDown",
        summary="Scheduler process scheduler is frozen",
        component="scheduler",
        process="scheduler",
    )


#: By the name of the file that it is told in.
STORIES: dict[str, Callable[[PlatformBench], None]] = {
    "bad-deploy": bad_deploy,
    "slow-database": slow_database,
    "silence": silence,
    "maintenance": maintenance,
    "unreadable-guard": unreadable_guard,
}


def told(bench: PlatformBench) -> str:
    """Return what `airwarden explain` says of the one incident."""
    (one,) = bench.incidents()
    return explain(bench.journal, one.id).text() + "\n"


def main() -> None:
    """Write all of them."""
    for name, play in STORIES.items():
        with tempfile.TemporaryDirectory() as folder:
            bench = PlatformBench(Path(folder))
            bench.run(2 * MINUTE)
            play(bench)
            (TOLD / f"{name}.txt").write_text(told(bench))
            bench.close()


if __name__ == "__main__":
    main()
