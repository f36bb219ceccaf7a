"""``python -m localplatform fault NAME``: every fault from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localplatform import faults
from localplatform.layout import Platform

app = typer.Typer(help="Break the platform, or mend what was broken.", no_args_is_help=True)

ProgramArgument = Annotated[str, typer.Argument(help="Program, such as scheduler or worker_0.")]
StateOption = Annotated[Path | None, typer.Option("--state", help="State folder.")]


def _platform(state: Path | None) -> Platform:
    return Platform.load(state.resolve() if state else None)


def _ids(verb: str, pids: list[int]) -> None:
    print(f"{verb} {', '.join(map(str, pids))}")


@app.command()
def freeze(program: ProgramArgument, state: StateOption = None) -> None:
    """SIGSTOP to every process of a program."""
    _ids("stopped", faults.freeze(_platform(state), program))


@app.command()
def thaw(program: ProgramArgument, state: StateOption = None) -> None:
    """SIGCONT to every process of a program."""
    _ids("continued", faults.thaw(_platform(state), program))


@app.command()
def kill(
    program: ProgramArgument,
    tree: Annotated[bool, typer.Option(help="Its children too.")] = False,
    state: StateOption = None,
) -> None:
    """SIGKILL to a program."""
    _ids("killed", faults.kill(_platform(state), program, tree=tree))


@app.command()
def flood(tasks: int = 60, seconds: float = 8.0, state: StateOption = None) -> None:
    """Queue many short tasks at once."""
    print(faults.flood(_platform(state), tasks=tasks, seconds=seconds))


@app.command("long-task")
def long_task(seconds: float = 120.0, state: StateOption = None) -> None:
    """Start one long task."""
    print(faults.long_task(_platform(state), seconds=seconds))


@app.command("dependency-down")
def dependency_down(state: StateOption = None) -> None:
    """The external dependency answers 503."""
    faults.dependency_down(_platform(state))


@app.command("dependency-up")
def dependency_up(state: StateOption = None) -> None:
    """The external dependency answers again."""
    faults.dependency_up(_platform(state))


@app.command("leak-connections")
def leak_connections(
    hold_lock: Annotated[
        bool, typer.Option("--hold-lock/--no-lock", help="Hold the scheduler's lock, idle.")
    ] = True,
    per_second: float = 50.0,
    leave: Annotated[int, typer.Option(help="Slots to spare.")] = 0,
    state: StateOption = None,
) -> None:
    """A client leaks sessions until every ordinary slot is gone."""
    platform = _platform(state)
    pid = faults.start_leak(platform, hold_lock=hold_lock, per_second=per_second, leave=leave)
    print(f"leaking in process {pid}")


@app.command("leak-stop")
def leak_stop(state: StateOption = None) -> None:
    """End the leaking client."""
    faults.stop_leak(_platform(state))


@app.command("slow-database")
def slow_database(
    delay_ms: Annotated[float, typer.Argument(help="Milliseconds added to each request.")],
    state: StateOption = None,
) -> None:
    """Slow PostgreSQL down for everybody behind the proxy; 0 ends it."""
    faults.slow_database(_platform(state), delay_ms)


@app.command("redis-out")
def redis_out(seconds: float = 60.0, state: StateOption = None) -> None:
    """Stop Redis for a while; returns when it is back."""
    faults.redis_outage(_platform(state), seconds=seconds)


@app.command("deaf-worker")
def deaf_worker(program: ProgramArgument, state: StateOption = None) -> None:
    """A worker answers pings and consumes nothing."""
    faults.deafen(_platform(state), program)


@app.command("hear-again")
def hear_again(program: ProgramArgument, state: StateOption = None) -> None:
    """A deaf worker consumes again."""
    faults.hear_again(_platform(state), program)


@app.command("bad-deploy")
def bad_deploy(failures: int = 200, state: StateOption = None) -> None:
    """The growth team deploys a bad release and many of its tasks fail."""
    for run in faults.bad_deploy(_platform(state), failures=failures):
        print(run)


@app.command("good-deploy")
def good_deploy(state: StateOption = None) -> None:
    """The growth team deploys the good release again."""
    faults.good_deploy(_platform(state))


@app.command("undo-all")
def undo_all(state: StateOption = None) -> None:
    """End every fault."""
    faults.undo_all(_platform(state))
