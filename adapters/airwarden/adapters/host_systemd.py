"""The `Host` port over systemd, by `systemctl` with argument vectors and no shell.

A restart is one job of systemd's own (`systemctl restart`): it goes on if we die in the middle of it. A
frozen unit is killed first, all of its control group: SIGTERM is not delivered to what is stopped, and
systemd would wait its whole stop timeout. A unit that is not listed is never read or touched.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from airwarden.adapters.procfs import celery_node_name, is_frozen
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.platform import Component, HostProcess, ProcessState

_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "MainPID", "ExecMainStartTimestamp")
#: systemd's active states (man systemctl); `failed` is what it gave up.
_STATES = {
    "active": ProcessState.RUNNING,
    "reloading": ProcessState.RUNNING,
    "refreshing": ProcessState.RUNNING,
    "activating": ProcessState.STARTING,
    "deactivating": ProcessState.STOPPING,
    "inactive": ProcessState.STOPPED,
    "failed": ProcessState.FATAL,
}
#: systemctl's exit codes for a unit that there is none of (LSB, systemctl.c).
_NO_SUCH = (4, 5)
#: What polkit and D-Bus say where this user may not.
_DENIED = ("access denied", "authentication", "not permitted", "permission denied")
_UTC = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}


class SystemdHost:
    """The Airflow units of this machine's systemd.

    Args:
        units: Component → unit names (`airflow-scheduler.service`); a name may hold `*`.
        systemctl: The program, as an argument vector (`sudo -n systemctl`, for one).
        timeout: Seconds that one call may take.
        exit_timeout: Seconds that a restart waits for the old incarnation to end.
        appear_timeout: Seconds that it then waits for the new one.
        celery_hostnames: Unit → Celery's node name, where the process does not tell.
    """

    def __init__(
        self,
        units: Mapping[Component, Sequence[str]],
        *,
        systemctl: Sequence[str] = ("systemctl",),
        timeout: float = 5.0,
        exit_timeout: float = 10.0,
        appear_timeout: float = 15.0,
        celery_hostnames: Mapping[str, str] | None = None,
    ) -> None:
        self._units = {component: tuple(names) for component, names in units.items()}
        self._systemctl = (*systemctl, "--no-pager", "--no-ask-password")
        self._timeout = timeout
        self._within = exit_timeout + appear_timeout
        self._celery_hostnames = dict(celery_hostnames or {})

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        """Return the configured units; one that systemd has not loaded is UNKNOWN."""
        found: list[HostProcess] = []
        for wanted, patterns in self._units.items():
            if component in (None, wanted) and patterns:
                found += self._shown(wanted, patterns)
        return found

    def restart(self, name: str, *, generation: str) -> None:
        """Replace the incarnation `generation` and return when another one has started.

        Raises:
            ConflictError: It is another incarnation already; nothing was done.
            NotFoundError: It is not configured, or systemd has no such unit.
            UnknownOutcomeError: It was ordered and no new incarnation was seen in time.
        """
        process = self._read(name)
        if process.generation != generation:
            raise ConflictError(
                f"{name} is {process.generation} now, not {generation}: read it again"
            )
        if process.state is ProcessState.FROZEN:
            self._order("kill", "--kill-whom=all", "--signal=SIGKILL", "--", name)
        self._order("restart", "--no-block", "--", name)
        self._await_next(name, process)

    def start(self, name: str) -> None:
        """Start a stopped unit; a running one stays as it is. One that had failed is forgiven first."""
        if self._read(name).state is ProcessState.FATAL:
            self._order("reset-failed", "--", name)
        self._order("start", "--no-block", "--", name)

    def stop(self, name: str) -> None:
        """Stop a unit; returns when systemd has taken the order, not when the unit has ended."""
        self._read(name)
        self._order("stop", "--no-block", "--", name)

    def _await_next(self, name: str, old: HostProcess) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < self._within:
            now = self._read(name)
            if now.pid is not None and now.generation != old.generation:
                return
            time.sleep(0.1)
        raise UnknownOutcomeError(f"{name} was restarted and no new incarnation was seen")

    def _read(self, name: str) -> HostProcess:
        for component, patterns in self._units.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                (found, *_) = self._shown(component, (name,))
                if found.state is ProcessState.UNKNOWN:
                    raise NotFoundError(f"systemd has no unit {name}")
                return found
        raise NotFoundError(f"{name} is not among the configured units of this host")

    def _shown(self, component: Component, patterns: Sequence[str]) -> list[HostProcess]:
        """Read units by name or pattern; a pattern finds those that systemd has loaded."""
        asked = [f"--property={','.join(_PROPERTIES)}", "--", *patterns]
        told = self._run("show", *asked, effect=False)
        found = [
            self._process(component, dict(line.split("=", 1) for line in block.splitlines()))
            for block in told.strip().split("\n\n")
            if block.strip()
        ]
        names = {one.name for one in found}
        missing = [p for p in patterns if "*" not in p and p not in names]
        return found + [HostProcess(name, component, ProcessState.UNKNOWN) for name in missing]

    def _process(self, component: Component, told: Mapping[str, str]) -> HostProcess:
        try:
            name, pid = told["Id"], int(told["MainPID"]) or None
            state = _STATES.get(told["ActiveState"], ProcessState.UNKNOWN)
            if told["LoadState"] != "loaded":
                state = ProcessState.UNKNOWN
            elif told["SubState"] == "auto-restart":
                state = ProcessState.STARTING
            elif told["SubState"] == "exited":
                state = ProcessState.EXITED
            started = _moment(told.get("ExecMainStartTimestamp", "")) if pid else None
        except (KeyError, ValueError) as error:
            raise UnavailableError(f"systemctl tells of a unit without sense: {error!r}") from None
        if pid is not None and state is ProcessState.RUNNING and is_frozen(pid):
            state = ProcessState.FROZEN
        node = self._celery_hostnames.get(name, "")
        if component is Component.WORKER and pid is not None:
            node = celery_node_name(pid) or node
        return HostProcess(name, component, state, pid, started, node)

    def _order(self, *arguments: str) -> None:
        self._run(*arguments, effect=True)

    def _run(self, *arguments: str, effect: bool) -> str:
        """Run systemctl and return what it printed."""
        what = f"systemctl {arguments[0]}"
        try:
            done = subprocess.run(
                [*self._systemctl, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self._timeout,
                env=_UTC,
                check=False,
            )
        except subprocess.TimeoutExpired:
            lost = f"{what} took over {self._timeout:g} s"
            raise (UnknownOutcomeError if effect else UnavailableError)(lost) from None
        except OSError as error:
            raise UnavailableError(f"{what} cannot be run: {error.strerror}") from None
        if done.returncode == 0:
            return done.stdout
        said = " ".join(done.stderr.split())[:300]
        if done.returncode in _NO_SUCH:
            raise NotFoundError(f"{what}: {said}")
        if effect or any(word in said.lower() for word in _DENIED):
            raise RejectedError(f"{what} ended with {done.returncode}: {said}")
        raise UnavailableError(f"{what} ended with {done.returncode}: {said}")


def _moment(text: str) -> datetime | None:
    """Read `Thu 2026-11-26 13:12:06 UTC`; empty and `n/a` are none."""
    if not text or text == "n/a":
        return None
    return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S %Z").replace(tzinfo=UTC)
