"""A supervisor with processes that a test freezes, ends, and finds restarted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.clock import Clock
from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.platform import Component, HostProcess, ProcessState

_DOWN = (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL)


class FakeHost(Faults):
    """Processes that run from the start.

    Args:
        clock: Gives start times, in whole seconds as supervisord does.
        programs: Which process is what.
        celery_hostnames: Celery's node names of workers.
        stopped: Processes that do not run at the start.
    """

    def __init__(
        self,
        clock: Clock,
        programs: Mapping[Component, Sequence[str]],
        *,
        celery_hostnames: Mapping[str, str] | None = None,
        stopped: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._clock = clock
        self._pids = itertools.count(1001)
        names = celery_hostnames or {}
        self._processes: dict[str, HostProcess] = {}
        for component, programs_of in programs.items():
            for name in programs_of:
                self._processes[name] = HostProcess(
                    name,
                    component,
                    ProcessState.STOPPED,
                    celery_hostname=names.get(name, ""),
                )
                if name not in stopped:
                    self._spawn(name)

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        """Return the processes, stopped ones included."""
        self._reading()
        return [p for p in self._processes.values() if component in (None, p.component)]

    def restart(self, name: str, *, generation: str) -> None:
        """Replace this incarnation."""
        process = self._find(name)
        if process.generation != generation:
            raise ConflictError(f"{name} is {process.generation} now, not {generation}")
        with self._effecting("restart", name):
            self._spawn(name)

    def start(self, name: str) -> None:
        """Start a stopped process."""
        process = self._find(name)
        with self._effecting("start", name):
            if process.state in _DOWN:
                self._spawn(name)

    def stop(self, name: str) -> None:
        """Stop a process for good."""
        process = self._find(name)
        with self._effecting("stop", name):
            if process.state not in _DOWN:
                self._set(name, ProcessState.STOPPED)

    def freeze(self, name: str) -> None:
        """Do as SIGSTOP does."""
        self._processes[name] = replace(self._find(name), state=ProcessState.FROZEN)

    def thaw(self, name: str) -> None:
        """Do as SIGCONT does."""
        self._processes[name] = replace(self._find(name), state=ProcessState.RUNNING)

    def exit(self, name: str, state: ProcessState = ProcessState.EXITED) -> None:
        """Let a process end by itself; nobody restarts it."""
        self._find(name)
        self._set(name, state)

    def respawn(self, name: str) -> None:
        """Let the supervisor itself restart a process, as `autorestart` does."""
        self._find(name)
        self._spawn(name)

    def _find(self, name: str) -> HostProcess:
        self._reading()
        if name not in self._processes:
            raise NotFoundError(f"no process {name}")
        return self._processes[name]

    def _spawn(self, name: str) -> None:
        self._processes[name] = replace(
            self._processes[name],
            state=ProcessState.RUNNING,
            pid=next(self._pids),
            started_at=self._clock.now().replace(microsecond=0),
        )

    def _set(self, name: str, state: ProcessState) -> None:
        self._processes[name] = replace(self._processes[name], state=state, pid=None)
