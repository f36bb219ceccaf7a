"""A site of real `airwarden remediator` programs on one journal, over a real supervisord."""

from __future__ import annotations

import os
import signal
import sys
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from airwarden.core.alerts import Alert
from support.engine import alert, webhook
from support.eventually import eventually
from support.servers import Child, free_port
from support.supervisord import PASSWORD, USER, Supervisord

WEBHOOK, API = "webhook-token-of-the-site", "api-token-of-the-site"
#: Component → the supervised programs that stand for it.
PROGRAMS = {"scheduler": "scheduler", "triggerer": "stubborn", "dag-processor": "parent"}
_PLAYBOOK = """\
name: site-restart
title: A process of the site is frozen
description: For tests; slow to confirm, so that much can happen meanwhile.
alerts: [{{alertname: SiteProcessDown}}]
correlate: [process]
confirm: {{check: component-late, times: {times}, every: {every}}}
steps: [{{id: restart, action: process.restart}}]
verify: {{check: database-fast, within: 1m, stable: 0s}}
page: {{when: at-once}}
deadline: 10m
attempts: 2
"""
_SETTINGS = """\
clusters:
  - name: site
    airflow: {{url: "http://127.0.0.1:1", auth: {{token_file: airflow}}}}
    metadata_database: {{dsn_file: database}}
    host:
      supervisord:
        url: {supervisord}
        username: {user}
        password_file: supervisord
        programs: {{scheduler: [scheduler], triggerer: [stubborn], dag-processor: [parent]}}
remediator:
  listen: 127.0.0.1:{port}
  webhook_token_file: webhook
  api_token_file: api
  mode: auto
  playbooks_dir: playbooks
  journal: {{url_file: journal}}
  rails: {{verify_every: 1s}}
playbooks:
  site-restart: {{mode: auto}}
"""


@dataclass
class Replica:
    """One running remediator program."""

    child: Child
    port: int
    old: bool

    @property
    def pid(self) -> int:
        return self.child.pid

    def get(self, path: str) -> Any:
        """Read its operators' API."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Authorization": f"Bearer {API}"},
            timeout=30,
            trust_env=False,
        )
        return answer.raise_for_status().json()

    def post(self, *alerts: Alert) -> int:
        """Deliver alerts as Alertmanager would."""
        return httpx.post(
            f"http://127.0.0.1:{self.port}/api/v1/alerts",
            content=webhook(*alerts),
            headers={"Authorization": f"Bearer {WEBHOOK}"},
            timeout=30,
            trust_env=False,
        ).status_code

    def states(self) -> Mapping[str, str]:
        """Return the state of each incident, by the process that it is about."""
        found = self.get("/api/v1/incidents")["incidents"]
        return {one["labels"]["process"]: one["state"] for one in found}

    @property
    def answers(self) -> bool:
        """Whether it serves."""
        self.child.check()
        try:
            url = f"http://127.0.0.1:{self.port}/healthz"
            return httpx.get(url, timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End it as a supervisor does, and find that it ended well."""
        self.child.process.send_signal(signal.SIGTERM)
        assert self.child.process.wait(60) == 0


@dataclass
class Site:
    """Where programs run.

    Attributes:
        folder: Their files.
        journal: The journal's URL.
        database: A metadata database that answers, with Airflow's schema.
        times, every: How often, and how far apart, a fault is confirmed.
    """

    folder: Path
    journal: str
    database: str
    times: int = 1
    every: str = "1s"
    supervisord: Supervisord = field(default_factory=Supervisord)
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        secrets = {
            "airflow": "no", "webhook": WEBHOOK, "api": API, "supervisord": PASSWORD,
            "journal": self.journal, "database": self.database,
        }  # fmt: skip
        for name, text in secrets.items():
            (self.folder / name).write_text(f"{text}\n")
        books = self.folder / "playbooks"
        books.mkdir()
        text = _PLAYBOOK.format(times=self.times, every=self.every)
        (books / "site-restart.yaml").write_text(text)

    def start(self, python: Path | None = None) -> Replica:
        """Start a remediator, of this version or of another one's Python, and wait until it serves."""
        replica = self.spawn(python)
        eventually(lambda: replica.answers, within=90, what="the remediator serves")
        return replica

    def spawn(self, python: Path | None = None) -> Replica:
        """Start a remediator."""
        port = free_port()
        settings = self.folder / f"airwarden-{port}.yaml"
        settings.write_text(
            _SETTINGS.format(port=port, supervisord=self.supervisord.url, user=USER)
        )
        program = [str(python or sys.executable), "-m", "airwarden.cli", "remediator"]
        kind = "old" if python else "new"
        log = self.folder / f"{kind}-{port}.log"
        # In the folder: what is beside the tests must not be found before what is installed.
        child = Child(
            [
                "env",
                "-C",
                str(self.folder),
                "-u",
                "PYTHONPATH",
                # As it is installed: what was imported once is not compiled again.
                "-u",
                "PYTHONDONTWRITEBYTECODE",
                *program,
                "--config",
                str(settings),
            ],
            log,
        )
        self.replicas.append(Replica(child, port, python is not None))
        return self.replicas[-1]

    def freeze(self, component: str) -> Alert:
        """Freeze a component's process; returns the alert that fires for it."""
        name = PROGRAMS[component]
        os.kill(self.pid_of(name), signal.SIGSTOP)
        plain = alert("SiteProcessDown", starts=datetime.now(UTC), cluster="site", name=name)
        labels = {**plain.labels, "component": component, "process": name}
        return Alert(
            fingerprint=plain.fingerprint, status=plain.status, starts_at=plain.starts_at,
            labels=labels, annotations=plain.annotations,
        )  # fmt: skip

    def pid_of(self, name: str) -> int:
        """Return the process id that supervisord has for a program."""
        url = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.supervisord.port}/RPC2"
        with xmlrpc.client.ServerProxy(url) as proxy:
            found: Any = proxy.supervisor.getProcessInfo(name)
        return int(found["pid"])

    def spawns(self, name: str) -> int:
        """Return how often supervisord has started a program."""
        log = (self.supervisord._folder / "main.log").read_text()
        return log.count(f"spawned: '{name}' with pid")

    def close(self) -> None:
        """End everything."""
        for replica in self.replicas:
            replica.child.stop()
        self.supervisord.stop()
