"""The engine with the shipped playbooks, actions and checks, on the shipped fakes of a whole platform."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from airwarden.adapters.fakes.airflow import FakeAirflow
from airwarden.adapters.fakes.broker import FakeBroker
from airwarden.adapters.fakes.host import FakeHost
from airwarden.adapters.fakes.probe import FakeProbe
from airwarden.adapters.fakes.workers import FakeWorkers
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.platform import Component, Dag, HostProcess, Pool, TaskKey
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.components import HEARTBEATING
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal import alerts as journal_alerts
from airwarden.remediation.journal import incidents as journal_incidents
from airwarden.remediation.journal.memory import JournalBreakers, JournalLedger
from airwarden.remediation.journal.outbox import Channel
from airwarden.remediation.notify.pagerduty import PagerDutyComposer
from airwarden.remediation.notify.slack import SlackComposer
from airwarden.remediation.outbox import Sender, chat_delivery, pager_delivery
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import Dependency, WorkerFleet, World
from support.engine import Bench
from support.faulted import KilledByThePlatform
from support.small_world import SmallDatabase

CLUSTER = "lab"
PROGRAMS = {
    Component.SCHEDULER: ("scheduler", "scheduler2"),
    Component.TRIGGERER: ("triggerer",),
    Component.DAG_PROCESSOR: ("dag_processor",),
    Component.API_SERVER: ("api_server",),
    Component.WORKER: tuple(f"workers:worker_{n}" for n in range(4)),
}


def _shipped() -> list[str]:
    folder = resources.files("airwarden.remediation") / "playbooks"
    return [file.name.removesuffix(".yaml") for file in folder.iterdir()]


class PlatformBench(Bench):
    """A platform that lives: processes beat while they run, workers answer while they run.

    Attributes:
        quiet: Processes that run and do not beat.
        beating: Processes that beat while they run.

    Args:
        folder: Where the journal lies.
        mode: Every playbook's.
        programs: The supervised processes.
        running: How many of the workers run at first; the others are stopped.
        journal: Its URL; empty for SQLite in the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: Mode = Mode.AUTO,
        programs: Mapping[Component, Sequence[str]] = PROGRAMS,
        running: int = 2,
        journal: str = "",
    ) -> None:
        url = journal or f"sqlite:///{folder / 'journal.db'}"
        super().__init__(url, mode=mode, clusters=(CLUSTER,))
        workers = programs[Component.WORKER]
        names = {name: f"{name.partition(':')[2]}@box" for name in workers}
        self.host = FakeHost(
            self.clock, programs, celery_hostnames=names, stopped=workers[running:]
        )
        self.beating = {name: kind for kind in HEARTBEATING for name in programs[kind]}
        self._fleet = WorkerFleet(min(running, 2), len(workers))
        self.airflow = FakeAirflow(self.clock)
        self.workers, self.broker = FakeWorkers(), FakeBroker()
        self.probe, self.database = FakeProbe(), SmallDatabase()
        self.database.answers["connections"] = [{"sessions": 30, "connections_max": 97}]
        self.airflow.put_pool(Pool("billing", 8))
        for name in ("billing_sync", "billing_charge"):
            tags = ("depends:billing", *(("auto-heal:idempotent",) if "sync" in name else ()))
            self.airflow.put_dag(Dag(name, False, tags))
        self.airflow.put_dag(Dag("billing_canary", False, ("canary:billing",)))
        self.quiet: set[str] = set()
        self._jobs: dict[str, tuple[str, int]] = {}
        self._compose(mode)

    def _compose(self, mode: Mode) -> None:
        billing = Dependency("billing", pools=("billing",), probe=self.probe)
        self.worlds = {
            CLUSTER: World(
                CLUSTER,
                self.clock,
                airflow=self.airflow,
                database=self.database,
                session_ender=self.database,
                broker=self.broker,
                workers=self.workers,
                host=self.host,
                dependencies={"billing": billing},
                fleet=self._fleet,
                breakers=JournalBreakers(self.journal),
                ledger=JournalLedger(self.journal),
                causes=KilledByThePlatform(),
            )
        }
        self.playbooks = load_playbooks(
            actions=actions().keys(),
            checks=checks().keys(),
            ceiling=mode,
            changes={name: PlaybookChange(mode=mode) for name in _shipped()},
        )
        self.parts = replace(self.parts, actions=actions(), checks=checks())
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, actions(), self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)
        page = PagerDutyComposer("k" * 32)
        chat = SlackComposer("#airflow")
        calls = self.parts.calls
        self.senders = [
            Sender(self.journal, Channel.PAGER, pager_delivery(self.recorder, page), calls),
            Sender(self.journal, Channel.CHAT, chat_delivery(self.recorder, chat), calls),
        ]

    def supervised(self) -> Sequence[HostProcess]:
        """Return the processes."""
        return self.host.processes()

    def live(self) -> None:
        """Let running processes beat and running workers answer."""
        for process in self.supervised():
            generation, job = self._jobs.get(process.name, ("", 0))
            if process.state.value != "running":
                if process.celery_hostname:
                    self.workers.remove(process.celery_hostname)
                continue
            if process.celery_hostname and process.generation != generation:
                self.workers.put(process.celery_hostname)
                self._jobs[process.name] = (process.generation, 0)
            if process.name not in self.beating or process.name in self.quiet:
                continue
            if process.generation != generation:
                job = self.airflow.put_job(self.beating[process.name], process.name).id
                self._jobs[process.name] = (process.generation, job)
            self.airflow.beat(job)

    def turn(self) -> None:
        """One turn of the platform and of every loop."""
        self.live()
        super().turn()

    def end_healed(self) -> None:
        """Let the alerts of what is healed end, as Prometheus would."""
        with self.journal.read() as tx:
            healed = [
                member.alert
                for one in journal_incidents.search(tx)
                if one.state is IncidentState.RESOLVED
                for member in journal_alerts.of_incident(tx, one.id, firing=True)
            ]
        for one in healed:
            self.clear(one)

    def shout(
        self, alertname: str, *, severity: str = "critical", summary: str = "", **labels: str
    ) -> Alert:
        """An alert fires: it is shown and delivered."""
        full = {"alertname": alertname, "severity": severity, "cluster": CLUSTER, **labels}
        one = Alert(
            fingerprint=hashlib.sha256(repr(sorted(full.items())).encode()).hexdigest()[:16],
            status=AlertStatus.FIRING,
            starts_at=self.clock.now(),
            labels=full,
            annotations={"summary": summary or f"{alertname} fires"},
        )
        self.alertmanager.shown.append(one)
        self.deliver(one)
        return one

    def done(self) -> list[str]:
        """What was confirmed, in order."""
        return [a.summary for a in self.attempts() if a.state.value == "CONFIRMED"]

    def put_failed(self, dag_id: str, *, started: bool, count: int = 1) -> Sequence[TaskKey]:
        """Let tasks of the billing pool fail now."""
        now, keys = self.clock.now(), []
        for number in range(count):
            key = TaskKey(dag_id, f"run_{number}", "task")
            self.airflow.put_task(
                key,
                "failed",
                pool="billing",
                hostname="worker_0" if started else "",
                start_date=now if started else None,
                end_date=now,
                queued_when=now,
            )
            keys.append(key)
        return keys
