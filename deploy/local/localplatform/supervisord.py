"""supervisord: the programs it runs, its daemon, and a typed client of its XML-RPC interface."""

from __future__ import annotations

import configparser
import http.client
import os
import shlex
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote, urlsplit

from localplatform.errors import PlatformError
from localplatform.layout import Platform, secret, write_private
from localplatform.processes import STATE_VARIABLE
from localplatform.waiting import wait_until

ALREADY_STARTED = 60
NOT_RUNNING = 70
BAD_NAME = 10
STILL_RUNNING = 91


@dataclass(frozen=True, kw_only=True)
class ProgramSpec:
    """One program as supervisord is to run it. Times are in seconds."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    user: str | None = None
    autostart: bool = False
    autorestart: bool = True
    stop_signal: Literal["TERM", "INT", "QUIT", "KILL"] = "TERM"
    stop_wait: int = 10
    stop_as_group: bool = False
    """Send the stop signal to the whole process group (a Celery worker must not get it:
    its pool would die with its tasks instead of finishing them)."""
    priority: int = 999
    """Low starts first and stops last."""


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord says of one program: ``state`` is RUNNING, STOPPED, FATAL, …"""

    name: str
    state: str
    pid: int
    started_at: int
    description: str

    @property
    def stoppable(self) -> bool:
        """Whether it runs or is about to be started again."""
        return self.state in ("STARTING", "RUNNING", "BACKOFF")


class _Transport(xmlrpc.client.Transport):
    """HTTP with a time limit on every call, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = self._seconds
        return connection


class Supervisor:
    """A client of supervisord's XML-RPC interface.

    Every method raises ``OSError`` when the daemon cannot be reached in time and
    :class:`PlatformError` when it refuses.
    """

    def __init__(self, platform: Platform, *, seconds: float = 30.0) -> None:
        access = platform.supervisord
        parts = urlsplit(access.url)
        password = quote(access.password_file.read_text().strip(), safe="")
        self._url = f"{parts.scheme}://{access.user}:{password}@{parts.netloc}{parts.path}"
        self._seconds = seconds
        self._include_dir = access.include_dir
        self._log_dir = platform.log_dir

    def _call(self, method: str, *arguments: object, ignore: int | None = None) -> Any:
        try:
            # A connection a call: a kept one could not be shared between threads.
            transport = _Transport(self._seconds)
            with xmlrpc.client.ServerProxy(self._url, transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == ignore:
                return None
            named = f" {arguments[0]}" if arguments else ""
            raise PlatformError(f"supervisord: {method}{named}: {fault.faultString}") from None
        except (xmlrpc.client.ProtocolError, http.client.HTTPException) as error:
            raise ConnectionError(f"supervisord: {method}: {type(error).__name__}") from None

    def is_running(self) -> bool:
        """Whether the daemon answers and is not shutting down."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except OSError:
            return False

    def processes(self) -> list[ProcessInfo]:
        """Return what it says of every program, ``group:name`` where they differ."""
        return [_info(raw) for raw in self._call("getAllProcessInfo")]

    def process(self, name: str) -> ProcessInfo:
        """Return what it says of one program."""
        return _info(self._call("getProcessInfo", name))

    def start(self, name: str, *, wait: bool = False) -> None:
        """Start a program; one that runs already is left alone."""
        self._call("startProcess", name, wait, ignore=ALREADY_STARTED)

    def stop(self, name: str, *, wait: bool = True) -> None:
        """Stop a program, gracefully at first; one that is not running is left alone."""
        self._call("stopProcess", name, wait, ignore=NOT_RUNNING)

    def restart(self, name: str) -> None:
        """Stop and start a program."""
        self.stop(name)
        self.start(name)

    def forget(self, group: str) -> None:
        """Drop a group until the daemon starts again; one that still runs is left alone."""
        self._call("removeProcessGroup", group, ignore=STILL_RUNNING)

    def shutdown(self) -> None:
        """Stop everything and end the daemon; returns at once."""
        self._call("shutdown")

    def add(self, spec: ProgramSpec) -> None:
        """Run a program that was not there, or run it anew with this specification."""
        write_private(
            self._include_dir / f"{spec.name}.conf", render_programs([spec], self._log_dir)
        )
        self._apply_changes()
        self.start(spec.name)

    def remove(self, name: str) -> None:
        """Stop a program added before and forget it; one that is not there is left alone."""
        (self._include_dir / f"{name}.conf").unlink(missing_ok=True)
        self._apply_changes()

    def _apply_changes(self) -> None:
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*removed, *changed):
            self._call("stopProcessGroup", name, True, ignore=BAD_NAME)
            self._call("removeProcessGroup", name, ignore=BAD_NAME)
        for name in (*changed, *added):
            self._call("addProcessGroup", name)


def _info(raw: object) -> ProcessInfo:
    fields = cast(dict[str, Any], raw)
    group, name = fields["group"], fields["name"]
    return ProcessInfo(
        name=name if group == name else f"{group}:{name}",
        state=fields["statename"],
        pid=fields["pid"],
        started_at=fields["start"],
        description=fields["description"],
    )


def render_programs(
    specs: Sequence[ProgramSpec], log_dir: Path, *, groups: Mapping[str, str] | None = None
) -> str:
    """Return the configuration sections of these programs; ``groups`` maps program to group."""
    parser = configparser.RawConfigParser()
    members: dict[str, list[str]] = {}
    for spec in specs:
        parser[f"program:{spec.name}"] = _options(spec, log_dir)
        group = (groups or {}).get(spec.name)
        if group:
            members.setdefault(group, []).append(spec.name)
    for group, names in members.items():
        parser[f"group:{group}"] = {"programs": ",".join(names)}
    return _text(parser)


def _options(spec: ProgramSpec, log_dir: Path) -> dict[str, str]:
    options = {
        "command": shlex.join(spec.command),
        "autostart": _word(spec.autostart),
        "autorestart": _word(spec.autorestart),
        "stopsignal": spec.stop_signal,
        "stopwaitsecs": str(spec.stop_wait),
        "stopasgroup": _word(spec.stop_as_group),
        "killasgroup": "true",
        "startretries": "10",
        "redirect_stderr": "true",
        "stdout_logfile": str(log_dir / f"{spec.name}.log"),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "1",
        "priority": str(spec.priority),
    }
    if spec.environment:
        options["environment"] = ",".join(
            f"{name}={_quoted(name, value)}" for name, value in sorted(spec.environment.items())
        )
    if spec.directory:
        options["directory"] = str(spec.directory)
    if spec.user:
        options["user"] = spec.user
    if any("\n" in value for value in options.values()):
        raise PlatformError(f"program {spec.name}: a command and its environment must be one line")
    return {
        # supervisord expands %(name)s in every value; none of ours is meant.
        name: value.replace("%", "%%")
        for name, value in options.items()
    }


def write_config(
    platform: Platform, specs: Sequence[ProgramSpec], groups: Mapping[str, str]
) -> None:
    """Write supervisord's main configuration."""
    access = platform.supervisord
    daemon = configparser.RawConfigParser()
    daemon["supervisord"] = {
        "logfile": str(platform.log_dir / "supervisord.log"),
        "pidfile": str(access.pid_file),
        "childlogdir": str(platform.log_dir),
        "directory": str(platform.state_dir),
        "loglevel": "info",
        "minfds": "1024",
    }
    if os.geteuid() == 0:
        daemon["supervisord"]["user"] = "root"  # silences its warning about running as root
    daemon["inet_http_server"] = {
        "port": f"{urlsplit(access.url).hostname}:{access.socket_port}",
        "username": access.user,
        "password": secret(access.password_file).replace("%", "%%"),
    }
    daemon["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    daemon["include"] = {"files": f"{access.include_dir}/*.conf"}
    write_private(
        access.config, _text(daemon) + render_programs(specs, platform.log_dir, groups=groups)
    )


def launch(platform: Platform) -> Supervisor:
    """Start the daemon and return a client once it answers.

    Raises :class:`PlatformError` with what it printed when it does not start.
    """
    access = platform.supervisord
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(access.config)],
        env=clean_environment(platform),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        raise PlatformError(f"supervisord did not start: {done.stderr.strip()}")
    supervisor = Supervisor(platform)
    wait_until(supervisor.is_running, seconds=20, what="supervisord answers", every=0.05)
    return supervisor


def clean_environment(platform: Platform) -> dict[str, str]:
    """Return the environment that every process of the platform inherits.

    The caller's own is left out, but for the few variables named here: an AIRFLOW__ variable
    of the operator's shell must not change the platform.
    """
    passed_on = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    return environment | {
        STATE_VARIABLE: str(platform.state_dir),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }


def _quoted(name: str, value: str) -> str:
    # supervisord knows no escapes here and strips every quote from both ends.
    for quote_mark in ('"', "'"):
        if quote_mark not in value and value.strip("\"'") == value:
            return quote_mark + value + quote_mark
    raise PlatformError(f"supervisord cannot hold the quotes in the value of {name}")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _text(parser: configparser.RawConfigParser) -> str:
    lines: list[str] = []
    for section in parser.sections():
        lines.append(f"[{section}]")
        lines.extend(f"{name}={value}" for name, value in parser[section].items())
        lines.append("")
    return "\n".join(lines) + "\n"
