"""The platform's own supervisord: adding, freezing and removing programs, leaving nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from localplatform import faults, lifecycle, processes, supervisord
from localplatform.describe import describe
from localplatform.errors import PlatformError
from localplatform.layout import Platform
from localplatform.supervisord import ProgramSpec, Supervisor
from support.eventually import eventually

PARENT_AND_CHILD = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "time.sleep(600)"
)
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@dataclass
class Stage:
    """A platform whose supervisord runs two sleeping stand-ins, ``scheduler`` with a child."""

    platform: Platform
    supervisor: Supervisor

    def pid(self, name: str) -> int:
        return self.supervisor.process(name).pid


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    platform = describe(tmp_path, max_connections=None)
    specs = [
        ProgramSpec(
            name="scheduler",
            command=[sys.executable, "-c", PARENT_AND_CHILD],
            directory=tmp_path,
            autostart=True,
        ),
        ProgramSpec(name="worker_0", command=SLEEPER, autostart=True),
        ProgramSpec(name="worker_1", command=SLEEPER),
    ]
    supervisord.write_config(platform, specs, {"worker_0": "workers", "worker_1": "workers"})
    supervisor = supervisord.launch(platform)
    yield Stage(platform, supervisor)
    lifecycle.down(tmp_path)
    assert processes.of_platform(tmp_path) == []


def two_processes(stage: Stage) -> list[psutil.Process]:
    def found() -> list[psutil.Process]:
        tree = processes.tree(stage.pid("scheduler"))
        return tree if len(tree) == 2 else []

    return eventually(found, within=10, what="the stand-in has started its child")


def named(pid: int) -> str | None:
    return psutil.Process(pid).environ().get("NAME")


def test_a_program_is_added_replaced_and_removed_while_the_others_run_on(stage: Stage) -> None:
    before = stage.pid("workers:worker_0")
    stage.supervisor.add(
        ProgramSpec(name="exporter", command=SLEEPER, environment={"NAME": 'a "b" 100%, c; d'})
    )
    first = stage.pid("exporter")
    eventually(lambda: named(first) == 'a "b" 100%, c; d', within=10)
    stage.supervisor.add(ProgramSpec(name="exporter", command=SLEEPER, environment={"NAME": "d"}))
    second = stage.pid("exporter")
    assert not processes.is_alive(first)
    eventually(lambda: named(second) == "d", within=10)
    stage.supervisor.remove("exporter")
    assert not processes.is_alive(second)
    assert "exporter" not in [info.name for info in stage.supervisor.processes()]
    assert stage.pid("workers:worker_0") == before


def test_a_frozen_program_stands_still_with_its_children_and_runs_on_afterwards(
    stage: Stage,
) -> None:
    tree = two_processes(stage)
    with faults.frozen(stage.platform, "scheduler"):
        eventually(
            lambda: [p.status() for p in tree] == [psutil.STATUS_STOPPED] * 2,
            within=5,
            what="both stand still",
        )
        assert stage.supervisor.process("scheduler").pid == tree[0].pid
    eventually(lambda: psutil.STATUS_STOPPED not in [p.status() for p in tree], within=5)
    assert stage.pid("scheduler") == tree[0].pid


def test_a_killed_program_is_started_again_by_supervisord_alone(stage: Stage) -> None:
    parent, child = two_processes(stage)
    assert faults.kill(stage.platform, "scheduler", tree=True) == [parent.pid, child.pid]
    fresh = eventually(
        lambda: (pid := stage.pid("scheduler")) and pid != parent.pid and pid,
        within=15,
        what="supervisord starts it again",
    )
    assert processes.is_alive(fresh)
    assert not processes.is_alive(child.pid)


def test_a_command_that_the_configuration_cannot_hold_is_refused(stage: Stage) -> None:
    with pytest.raises(PlatformError, match="one line"):
        stage.supervisor.add(ProgramSpec(name="broken", command=["sh", "-c", "true\ntrue"]))
    assert stage.supervisor.is_running()
    assert "broken" not in [info.name for info in stage.supervisor.processes()]


def test_a_fault_on_a_program_that_does_not_run_says_so(stage: Stage) -> None:
    with pytest.raises(PlatformError, match="worker_1 is not running"):
        faults.freeze(stage.platform, "worker_1")


def test_stopping_leaves_no_orphan_and_no_frozen_process(stage: Stage) -> None:
    _, orphan = two_processes(stage)
    faults.kill(stage.platform, "scheduler")  # its child lives on without a parent
    eventually(lambda: orphan.ppid() == 1 or orphan.parent() is None, within=10)
    faults.freeze(stage.platform, "worker_0")
    ended = lifecycle.down(stage.platform.state_dir)
    assert orphan.pid in ended
    assert not processes.is_alive(orphan.pid)
    assert processes.of_platform(stage.platform.state_dir) == []
    assert not lifecycle.status(stage.platform.state_dir).running


def test_what_is_left_of_a_killed_supervisord_is_still_recognised(stage: Stage) -> None:
    # Celery and PostgreSQL overwrite the environment that others see; stand-ins without it
    # are known by supervisord's session.
    stage.supervisor.add(
        ProgramSpec(
            name="titled",
            command=["/usr/bin/env", "-i", *SLEEPER],
            directory=stage.platform.state_dir,
        )
    )
    titled = eventually(
        lambda: (
            (pid := stage.pid("titled"))
            and processes.STATE_VARIABLE not in psutil.Process(pid).environ()
            and pid
        ),
        within=10,
    )
    daemon = processes.read_pid(stage.platform.supervisord.pid_file)
    assert daemon is not None
    assert titled in [p.pid for p in processes.of_platform(stage.platform.state_dir)]
    os.kill(daemon, signal.SIGKILL)
    eventually(lambda: not processes.is_alive(daemon), within=5)
    assert titled in [p.pid for p in processes.of_platform(stage.platform.state_dir)]
    lifecycle.down(stage.platform.state_dir)
    assert not processes.is_alive(titled)


def test_the_caller_and_its_children_are_never_taken_for_the_platform(stage: Stage) -> None:
    with subprocess.Popen(
        SLEEPER,
        cwd=stage.platform.state_dir,
        env={processes.STATE_VARIABLE + "_2": str(stage.platform.state_dir)},
    ) as bystander:
        found = [p.pid for p in processes.of_platform(stage.platform.state_dir)]
        bystander.kill()
    assert bystander.pid not in found
    assert os.getpid() not in found


def test_who_listens_is_told_although_one_of_them_ends_meanwhile() -> None:
    one = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", one], stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        port = int(listener.stdout.readline())
        with subprocess.Popen(SLEEPER) as other:
            looked_at = [psutil.Process(other.pid), psutil.Process(listener.pid)]
            other.kill()
        assert processes.listening(looked_at) == {("127.0.0.1", port)}
        listener.kill()
