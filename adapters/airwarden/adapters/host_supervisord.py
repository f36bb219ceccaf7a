"""The `Host` port over supervisord's XML-RPC, by HTTP or a Unix socket.

A restart is a signal, not a stop and a start: supervisord's `autorestart` brings the new incarnation
even if we die between the two, while a process that was stopped through it stays stopped for ever.
Only where supervisord leaves it down (`autorestart=unexpected` and a clean exit) do we start it.
A frozen process gets SIGKILL, because SIGTERM is not delivered to a stopped process. supervisord
signals the process alone, and the kernel wakes the children that were frozen with it only when they
are of its process group and get another session's parent (not under a supervisord that is PID 1): the
rest would stay for ever, holding their ports, so on this machine they are ended too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from airwarden.adapters.procfs import (
    celery_node_name,
    descendants,
    end_frozen,
    is_frozen,
    parent_pid,
)
from airwarden.adapters.xmlrpc_transport import Answer, Fault, XmlRpc
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.platform import Component, HostProcess, ProcessState

#: supervisord's numeric process states (supervisor/states.py).
_STATES = {
    0: ProcessState.STOPPED,
    10: ProcessState.STARTING,
    20: ProcessState.RUNNING,
    30: ProcessState.STARTING,  # BACKOFF: it will be tried again
    40: ProcessState.STOPPING,
    100: ProcessState.EXITED,
    200: ProcessState.FATAL,
}
#: supervisord's fault codes (supervisor/xmlrpc.py) that have a meaning of their own here.
_BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING = 10, 60, 70
_DOWN = (ProcessState.EXITED, ProcessState.STOPPED, ProcessState.FATAL)
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


class SupervisordHost:
    """The Airflow processes of one supervisord.

    Args:
        url: `http://host:port/RPC2` or `unix:///path/to/supervisor.sock`.
        programs: Which of its processes are what; a name may hold `*` (`workers:*`).
        username: For HTTP basic authentication; none if empty.
        password: Never printed.
        timeout: Seconds one call may take.
        exit_timeout: Seconds that a restart waits for the old incarnation to obey SIGTERM before it
            sends SIGKILL.
        appear_timeout: Seconds that a restart waits for the new incarnation.
        local: Whether its processes are in this machine's /proc; by default where `url` is loopback
            or a Unix socket. Elsewhere a frozen process cannot be told from a running one.
        celery_hostnames: Celery's node names of workers, where /proc cannot tell.
    """

    def __init__(
        self,
        url: str,
        programs: Mapping[Component, Sequence[str]],
        *,
        username: str = "",
        password: str = "",
        timeout: float = 5.0,
        exit_timeout: float = 10.0,
        appear_timeout: float = 15.0,
        local: bool | None = None,
        celery_hostnames: Mapping[str, str] | None = None,
    ) -> None:
        self._rpc = XmlRpc(url, username=username, password=password, timeout=timeout)
        self._programs = {component: tuple(names) for component, names in programs.items()}
        self._exit_timeout = exit_timeout
        self._appear_timeout = appear_timeout
        here = not url.startswith("http") or (urlsplit(url).hostname or "") in _LOOPBACK
        self._local = here if local is None else local
        self._celery_hostnames = dict(celery_hostnames or {})

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        """Return the configured processes; a configured name that supervisord lacks is UNKNOWN."""
        every = self._call("supervisor.getAllProcessInfo")
        if not isinstance(every, list):
            raise UnavailableError("supervisord's list of processes is no list")
        infos = {info.name: info for info in map(_info, every)}
        supervisor = self._supervisor_pid()
        found: list[HostProcess] = []
        for wanted, patterns in self._programs.items():
            if component not in (None, wanted):
                continue
            for pattern in patterns:
                names = [name for name in infos if _matches(name, pattern)]
                found += [self._process(wanted, infos[name], supervisor) for name in names]
                if not names and "*" not in pattern:
                    found.append(HostProcess(pattern, wanted, ProcessState.UNKNOWN))
        return found

    def restart(self, name: str, *, generation: str) -> None:
        """Replace the incarnation `generation` and return when another one has started.

        Raises:
            ConflictError: It is another incarnation already; nothing was done.
            NotFoundError: supervisord has no such process.
            UnknownOutcomeError: The signal was sent and no new incarnation was seen in time.
        """
        process = self._read(name)
        if process.generation != generation:
            raise ConflictError(
                f"{name} is {process.generation} now, not {generation}: read it again"
            )
        if process.state in _DOWN:
            self.start(name)
        else:
            self._end(process)
        self._await_next(name, process)

    def start(self, name: str) -> None:
        """Start a stopped process; a running one stays as it is.

        Raises:
            NotFoundError: supervisord has no such process.
            RejectedError: It cannot be spawned.
            UnknownOutcomeError: The reply was lost.
        """
        with _effect(name, forgive=_ALREADY_STARTED):
            self._rpc.call("supervisor.startProcess", name, False)

    def stop(self, name: str) -> None:
        """Ask supervisord to stop a process for good; returns when it has accepted, not ended it.

        Raises:
            NotFoundError: supervisord has no such process.
            UnknownOutcomeError: The reply was lost.
        """
        with _effect(name, forgive=_NOT_RUNNING):
            self._rpc.call("supervisor.stopProcess", name, False)

    def _end(self, process: HostProcess) -> None:
        if process.state is not ProcessState.FROZEN or process.pid is None:
            self._signal(process.name, "TERM")
            return
        children = descendants(process.pid)  # FROZEN is only known of this machine's processes
        self._signal(process.name, "KILL")
        end_frozen(children)

    def _signal(self, name: str, signal: str) -> None:
        with _effect(name):
            self._rpc.call("supervisor.signalProcess", name, signal)

    def _await_next(self, name: str, old: HostProcess) -> None:
        """Wait for a pid other than the old one's, helping where supervisord needs it."""
        begun = time.monotonic()
        killed = old.state is ProcessState.FROZEN
        while (waited := time.monotonic() - begun) < self._exit_timeout + self._appear_timeout:
            now = self._reread(name)
            if now is not None:
                if now.pid is not None and now.generation != old.generation:
                    return
                if now.state in (ProcessState.EXITED, ProcessState.STOPPED) and waited > 1.5:
                    self.start(name)
                elif now.pid == old.pid and not killed and waited > self._exit_timeout:
                    self._signal(name, "KILL")
                    killed = True
            time.sleep(0.1)
        raise UnknownOutcomeError(f"{name} was signalled and no new incarnation was seen")

    def _reread(self, name: str) -> HostProcess | None:
        try:
            return self._read(name)
        except UnavailableError:
            return None

    def _read(self, name: str) -> HostProcess:
        info = _info(self._call("supervisor.getProcessInfo", name))
        if info.name != name:
            raise UnavailableError(f"supervisord was asked for {name} and told of {info.name}")
        return self._process(self._component(name), info, self._supervisor_pid())

    def _component(self, name: str) -> Component:
        for component, patterns in self._programs.items():
            if any(_matches(name, pattern) for pattern in patterns):
                return component
        raise NotFoundError(f"{name} is not among the configured programs of this host")

    def _process(self, component: Component, info: _Info, supervisor: int | None) -> HostProcess:
        name, pid, state = info.name, info.pid, info.state
        ours = pid is not None and supervisor is not None and parent_pid(pid) == supervisor
        if ours and pid is not None:
            if state in (ProcessState.RUNNING, ProcessState.STARTING) and is_frozen(pid):
                state = ProcessState.FROZEN
            if component is Component.WORKER and (node := celery_node_name(pid)):
                self._celery_hostnames[name] = node
        return HostProcess(
            name=name,
            component=component,
            state=state,
            pid=pid,
            started_at=info.started_at,
            celery_hostname=self._celery_hostnames.get(name, ""),
        )

    def _supervisor_pid(self) -> int | None:
        """Return supervisord's pid if its children are in our /proc: their parent must be it."""
        if not self._local:
            return None
        pid = self._call("supervisor.getPID")
        if not isinstance(pid, int):
            raise UnavailableError("supervisord's process id is no number")
        return pid

    def _call(self, method: str, *arguments: object) -> Any:
        """Read something, once."""
        try:
            return self._rpc.call(method, *arguments)
        except Fault as fault:
            raise _fault(fault, str(arguments[0]) if arguments else method) from None
        except Answer as lost:
            raise UnavailableError(str(lost)) from None


@contextmanager
def _effect(name: str, *, forgive: int | None = None) -> Iterator[None]:
    """Turn a call's failure into the error that says what an effect's caller must do."""
    try:
        yield
    except Fault as fault:
        if fault.code != forgive:
            raise _fault(fault, name) from None
    except Answer as lost:
        raise UnknownOutcomeError(str(lost)) from None


def _fault(fault: Fault, name: str) -> RejectedError:
    if fault.code == _BAD_NAME:
        return NotFoundError(f"supervisord has no process {name}")
    if fault.code == _NOT_RUNNING:
        return ConflictError(f"{name} is not running any more: read it again")
    return RejectedError(f"supervisord refused {name}: {fault.text} ({fault.code})")


@dataclass(frozen=True, slots=True)
class _Info:
    """What supervisord says of a process."""

    name: str
    pid: int | None
    state: ProcessState
    started_at: datetime | None


def _info(told: Any) -> _Info:
    try:
        group, name = str(told["group"]), str(told["name"])
        start = int(told["start"])
        return _Info(
            name=name if group == name else f"{group}:{name}",
            pid=int(told["pid"]) or None,
            state=_STATES.get(int(told["state"]), ProcessState.UNKNOWN),
            started_at=datetime.fromtimestamp(start, UTC) if start else None,
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise UnavailableError(f"supervisord tells of a process without sense: {error!r}") from None


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or ("*" in pattern and fnmatchcase(name, pattern))
