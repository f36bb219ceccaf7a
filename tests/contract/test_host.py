"""The `Host` contract: supervisord for real, and the fake."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeHost
from airwarden.adapters.host_supervisord import SupervisordHost
from airwarden.adapters.host_systemd import SystemdHost
from airwarden.adapters.procfs import descendants, is_alive
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.core.ports import Host
from support import servers
from support.eventually import eventually
from support.supervisord import PASSWORD, USER, Supervisord
from support.systemd import Systemd

SCHEDULER, WORKER, TRIGGERER = Component.SCHEDULER, Component.WORKER, Component.TRIGGERER
WORKERS = ("workers:worker_0", "workers:worker_1")
REAL = {
    SCHEDULER: ("scheduler", "spare", "stubborn", "polite", "parent"),
    WORKER: ("workers:*",),
    TRIGGERER: ("broken", "absent"),
}


@dataclass
class Case:
    """A host, and the way to freeze one of its processes."""

    host: Host
    freeze: Callable[[str], None]


@pytest.fixture(scope="module")
def supervisord() -> Iterator[Supervisord]:
    server = Supervisord()
    yield server
    server.stop()


def real_host(server: Supervisord, timeout: float = 5.0) -> SupervisordHost:
    return SupervisordHost(
        server.url, REAL, username=USER, password=PASSWORD, exit_timeout=1.5, timeout=timeout
    )


@pytest.fixture(scope="module")
def systemd() -> Iterator[Systemd]:
    manager = Systemd()
    yield manager
    manager.stop()


UNITS = {
    SCHEDULER: ("scheduler.service", "spare.service"),
    WORKER: ("worker_*.service",),
    TRIGGERER: ("absent.service",),
}


def systemd_host(manager: Systemd, timeout: float = 20.0) -> SystemdHost:
    return SystemdHost(UNITS, systemctl=manager.systemctl, timeout=timeout)


class ByUnit:
    """The units under the names that the suite uses."""

    def __init__(self, host: SystemdHost) -> None:
        self._host = host

    @staticmethod
    def unit(name: str) -> str:
        return f"{name.removeprefix('workers:')}.service"

    def processes(self, component: Component | None = None) -> list[HostProcess]:
        found = [p for p in self._host.processes(component) if p.state is not ProcessState.UNKNOWN]
        names = {self.unit(name): name for name in ("scheduler", "spare", *WORKERS)}
        return [replace(p, name=names[p.name]) for p in found]

    def restart(self, name: str, *, generation: str) -> None:
        self._host.restart(self.unit(name), generation=generation)

    def start(self, name: str) -> None:
        self._host.start(self.unit(name))

    def stop(self, name: str) -> None:
        self._host.stop(self.unit(name))


@pytest.fixture(params=["fake", "real", "systemd"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "systemd":
        units = ByUnit(systemd_host(request.getfixturevalue("systemd")))

        def freeze_unit(name: str) -> None:
            pid = find(units, name).pid
            assert pid is not None
            servers.freeze(pid)

        return Case(units, freeze_unit)
    if request.param == "fake":
        fake = FakeHost(
            SystemClock(),
            {SCHEDULER: ("scheduler", "spare"), WORKER: WORKERS},
            stopped=("spare",),
        )
        return Case(fake, fake.freeze)
    host = real_host(request.getfixturevalue("supervisord"))

    def freeze(name: str) -> None:
        pid = find(host, name).pid
        assert pid is not None
        servers.freeze(pid)

    return Case(host, freeze)


def find(host: Host, name: str) -> HostProcess:
    return next(p for p in host.processes() if p.name == name)


def state(host: Host, name: str) -> ProcessState:
    return find(host, name).state


def test_processes_say_what_they_are_and_since_when(case: Case) -> None:
    scheduler = find(case.host, "scheduler")
    spare = find(case.host, "spare")

    assert (scheduler.component, scheduler.state) == (SCHEDULER, ProcessState.RUNNING)
    assert scheduler.pid is not None
    assert scheduler.started_at is not None
    assert scheduler.started_at.utcoffset() is not None
    assert (spare.state, spare.pid) == (ProcessState.STOPPED, None)
    assert [p.name for p in case.host.processes(WORKER)] == list(WORKERS)


def test_a_restart_replaces_the_incarnation_that_was_named(case: Case) -> None:
    before = find(case.host, "scheduler")

    case.host.restart("scheduler", generation=before.generation)

    after = find(case.host, "scheduler")
    assert after.generation != before.generation
    assert after.pid != before.pid
    assert after.state in (ProcessState.RUNNING, ProcessState.STARTING)


def test_a_restart_of_an_older_incarnation_does_nothing(case: Case) -> None:
    old = find(case.host, "scheduler").generation
    case.host.restart("scheduler", generation=old)
    now = find(case.host, "scheduler")

    with pytest.raises(ConflictError):
        case.host.restart("scheduler", generation=old)

    assert find(case.host, "scheduler").generation == now.generation


def test_a_frozen_process_is_seen_and_replaced(case: Case) -> None:
    case.freeze("scheduler")
    eventually(lambda: state(case.host, "scheduler") is ProcessState.FROZEN, within=5)
    frozen = find(case.host, "scheduler")

    case.host.restart("scheduler", generation=frozen.generation)

    eventually(lambda: state(case.host, "scheduler") is ProcessState.RUNNING, within=5)
    assert find(case.host, "scheduler").pid != frozen.pid


def test_start_and_stop_are_absolute(case: Case) -> None:
    for _ in range(2):
        case.host.start("spare")
        eventually(lambda: state(case.host, "spare") is ProcessState.RUNNING, within=5)
    running = find(case.host, "spare").generation
    case.host.start("spare")
    assert find(case.host, "spare").generation == running

    for _ in range(2):
        case.host.stop("spare")
        eventually(lambda: state(case.host, "spare") is ProcessState.STOPPED, within=5)


def test_a_name_of_a_group_member_works_everywhere(case: Case) -> None:
    name = WORKERS[0]
    before = find(case.host, name)
    case.host.restart(name, generation=before.generation)
    assert find(case.host, name).generation != before.generation
    case.host.stop(name)
    eventually(lambda: state(case.host, name) is ProcessState.STOPPED, within=5)
    assert state(case.host, WORKERS[1]) is ProcessState.RUNNING
    case.host.start(name)
    eventually(lambda: state(case.host, name) is ProcessState.RUNNING, within=5)


def test_an_unknown_name_is_not_found(case: Case) -> None:
    with pytest.raises(NotFoundError):
        case.host.restart("nobody", generation="1@")
    with pytest.raises(NotFoundError):
        case.host.start("nobody")
    with pytest.raises(NotFoundError):
        case.host.stop("nobody")


# Only the real one.


def test_a_process_that_ignores_sigterm_is_killed_and_comes_back(supervisord: Supervisord) -> None:
    host = real_host(supervisord)
    before = find(host, "stubborn")

    host.restart("stubborn", generation=before.generation)

    assert find(host, "stubborn").pid != before.pid


def test_a_process_that_supervisord_leaves_down_is_started(supervisord: Supervisord) -> None:
    host = real_host(supervisord)
    before = find(host, "polite")

    host.restart("polite", generation=before.generation)

    assert find(host, "polite").pid not in (None, before.pid)


def test_children_that_were_frozen_with_it_do_not_stay(supervisord: Supervisord) -> None:
    host = real_host(supervisord)
    parent = find(host, "parent")
    assert parent.pid is not None
    (child,) = eventually(lambda: descendants(parent.pid or 0), within=5)
    for pid in (parent.pid, child.pid):
        servers.freeze(pid)
    eventually(lambda: state(host, "parent") is ProcessState.FROZEN, within=5)

    host.restart("parent", generation=find(host, "parent").generation)

    eventually(lambda: not is_alive(child), within=5)
    assert find(host, "parent").pid != parent.pid


def test_a_program_that_cannot_be_spawned_is_refused(supervisord: Supervisord) -> None:
    with pytest.raises(RejectedError):
        real_host(supervisord).start("broken")


def test_a_configured_name_that_supervisord_lacks_is_unknown(supervisord: Supervisord) -> None:
    assert state(real_host(supervisord), "absent") is ProcessState.UNKNOWN


def test_the_unix_socket_serves_the_same(supervisord: Supervisord) -> None:
    host = SupervisordHost(f"unix://{supervisord.socket}", REAL, username=USER, password=PASSWORD)
    assert state(host, "stubborn") is ProcessState.RUNNING


def test_a_wrong_password_is_rejected(supervisord: Supervisord) -> None:
    host = SupervisordHost(supervisord.url, REAL, username=USER, password="wrong")
    with pytest.raises(RejectedError, match="password"):
        host.processes()


def test_an_absent_supervisord_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        SupervisordHost("http://127.0.0.1:1/RPC2", REAL).processes()


def test_a_frozen_supervisord_is_unavailable_within_the_deadline(
    supervisord: Supervisord,
) -> None:
    host = real_host(supervisord, timeout=0.5)
    servers.freeze(supervisord.child.pid)
    try:
        with pytest.raises(UnavailableError):
            host.processes()
    finally:
        os.kill(supervisord.child.pid, signal.SIGCONT)


# Only systemd.


def test_a_configured_unit_that_systemd_lacks_is_unknown(systemd: Systemd) -> None:
    assert state(systemd_host(systemd), "absent.service") is ProcessState.UNKNOWN


def test_a_unit_that_is_not_configured_is_not_touched(systemd: Systemd) -> None:
    host = SystemdHost({SCHEDULER: ("spare.service",)}, systemctl=systemd.systemctl, timeout=20)
    with pytest.raises(NotFoundError, match="not among the configured units"):
        host.stop("scheduler.service")


def test_who_may_not_order_is_refused(systemd: Systemd) -> None:
    (systemd.folder / "deny").write_text("")
    try:
        with pytest.raises(RejectedError, match="Access denied"):
            systemd_host(systemd).start("spare.service")
    finally:
        (systemd.folder / "deny").unlink()


def test_a_systemctl_that_hangs_or_is_not_there_is_unavailable(systemd: Systemd) -> None:
    (systemd.folder / "hang").write_text("")
    try:
        with pytest.raises(UnavailableError, match="took over"):
            systemd_host(systemd, timeout=0.5).processes()
    finally:
        (systemd.folder / "hang").unlink()
    with pytest.raises(UnavailableError, match="cannot be run"):
        SystemdHost(UNITS, systemctl=("/nowhere/systemctl",)).processes()
