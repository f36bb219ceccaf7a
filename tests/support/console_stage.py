"""The console over an engine on a platform of fakes: a past worth looking at, and time that tests own."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from airwarden.adapters.fakes.observability import FakePrometheus
from airwarden.core.platform import Dag, DagRun, Pool, Sample, TaskKey
from airwarden.remediation.api.server import Server
from airwarden.remediation.by_hand import ByHand
from airwarden.remediation.console.build import build_site
from airwarden.remediation.console.desk import Back
from airwarden.remediation.console.passwords import hashed
from airwarden.remediation.console_terms import ConsoleTerms
from airwarden.remediation.decide.promotion import Firing, Judgement
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operator, Operators, Role, digest
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.windowing import Windowing
from airwarden.remediation.world import BreakerState
from support.platform_bench import CLUSTER, PlatformBench

COMMON = "common-" + "c" * 24
PASSWORDS = {"ada": "a long password of ada", "vera": "a long password of vera"}
TOKENS = {role: f"{role}-{'t' * 24}" for role in Role}
_PEOPLE = {
    "ada": Operator("ada", frozenset({"sre"}), role=Role.ADMIN),
    "vera": Operator("vera", role=Role.VIEWER),
}
_HASHES = {name: hashed(password) for name, password in PASSWORDS.items()}
#: What is up, as the exporter would show it.
_MEASURED = (
    *(("airwarden_component_up", {"component": c, "hostname": h}, 1.0) for c, h in (
        ("scheduler", "scheduler"), ("scheduler", "scheduler2"), ("triggerer", "triggerer"),
        ("dag-processor", "dag_processor"), ("api-server", "api_server"),
    )),
    *(("airwarden_celery_worker_up", {"hostname": f"worker_{n}@box"}, 1.0) for n in range(2)),
    ("airwarden_celery_queue_messages", {"queue": "default", "priority": "0"}, 37.0),
    ("airwarden_task_instances", {"state": "running", "queue": "default"}, 118.0),
    ("airwarden_task_instances", {"state": "queued", "queue": "default"}, 41.0),
    ("airwarden_scheduler_lag_seconds", {}, 1.8),
    ("airwarden_db_probe_last_seconds", {}, 0.004),
    ("airwarden_db_connection_utilization_ratio", {}, 0.31),
)  # fmt: skip
SHOWN = {
    "clusters": [{"name": CLUSTER, "airflow": {"url": "https://airflow.example.com"}}],
    "remediator": {"mode": "auto", "api_token": "(file /etc/airwarden/api-token)"},
}


class Measured(FakePrometheus):
    """Answers whatever is asked for with everything that is measured."""

    def query(self, expression: str) -> Sequence[Sample]:
        self._reading()
        self.asked.append(expression)
        at = self._clock.now().timestamp()
        return [Sample({"__name__": n, **labels}, value, at) for n, labels, value in _MEASURED]


class Stage:
    """A console that listens on a free port.

    Args:
        folder: Where the journal lies.
        terms: What differs from the usual ones.
        modes: Playbook → mode; the others are in shadow.
        journal: Its URL; empty for SQLite in the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        terms: Mapping[str, Any] | None = None,
        modes: Mapping[str, Mode] | None = None,
        operators: Operators | None = None,
        journal: str = "",
    ) -> None:
        self.bench = bench = PlatformBench(folder, mode=Mode.AUTO, journal=journal)
        bench.worlds[CLUSTER] = replace(bench.worlds[CLUSTER], prometheus=Measured(bench.clock))
        self.set_modes(modes or {})
        known = {
            digest(token): Operator(f"the-{role}", role=role) for role, token in TOKENS.items()
        }
        self.operators = operators or Operators(
            known, passwords={name: (_PEOPLE[name], _HASHES[name]) for name in _PEOPLE}
        )
        usual = ConsoleTerms(airflow={CLUSTER: "https://airflow.example.com"}, shown=SHOWN)
        self.terms = replace(usual, **(terms or {}))
        self.site = build_site(
            Back(
                parts=bench.parts,
                operations=Operations(bench.parts, lambda: None),
                windowing=Windowing(bench.parts, lambda: None),
                promotion=Promotion(bench.parts, lambda: None),
                by_hand=ByHand(bench.parts, lambda: None),
                operators=lambda: self.operators,
                common_token=SecretStr(COMMON),
                terms=lambda: self.terms,
                elapsed=time.monotonic,
                ready=lambda: "",
                later=tuple,
            )
        )
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.router.routes.extend(self.site.routes())
        self._server = Server(app, "127.0.0.1", 0)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def set_modes(self, modes: Mapping[str, Mode]) -> None:
        """Set playbooks' modes, as a reload would; those that are not named are in shadow."""
        bench = self.bench
        bench.playbooks = load_playbooks(
            actions=bench.parts.actions.keys(),
            checks=bench.parts.checks.keys(),
            ceiling=Mode.AUTO,
            changes={
                name: PlaybookChange(mode=modes.get(name, Mode.SHADOW))
                for name in bench.playbooks.by_name
            },
        )

    def visitor(self, name: str = "ada", password: str = "") -> Visitor:
        """Return somebody who signed in."""
        one = Visitor(self.url)
        answer = one.sign_in(name, password or PASSWORDS[name])
        assert answer.status_code == 303, answer.text
        return one

    def close(self) -> None:
        """Stop serving."""
        while Visitor.opened:
            Visitor.opened.pop().close()
        self._server.stop(5.0)
        self.bench.close()


class Visitor:
    """A browser without a screen: keeps cookies, and fills in forms as they are on the page.

    Attributes:
        opened: Connections of all of them, closed with the stage.
    """

    opened: ClassVar[list[httpx.Client]] = []

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self.opened.append(self.http)
        self.page = ""

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Look at a page of the console."""
        answer = self.http.get(f"/console{path}", headers=headers)
        if answer.status_code == 200:
            self.page = answer.text
        return answer

    def sign_in(self, name: str, password: str, **fields: str) -> httpx.Response:
        """Fill in the form of the way in."""
        return self.send("/sign-in", {"name": name, "password": password, **fields})

    def send(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        """Send a form from a page of this console; nothing is added."""
        return self.http.post(
            f"/console{path}", data=dict(fields), headers={"Origin": self.url, **headers}
        )

    def order(self, path: str, **fields: str) -> httpx.Response:
        """Send the form of the last page that goes there: its hidden fields, and these."""
        forms = re.findall(r"<form[^>]*>.*?</form>", self.page, flags=re.DOTALL)
        mine = [one for one in forms if f'action="/console{path}' in one.partition(">")[0] + ">"]
        mine += [one for one in forms if f'formaction="/console{path}"' in one]
        assert mine, f"no form goes to {path}"
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', mine[0]))
        return self.send(path, {**{k: unescape(v) for k, v in hidden.items()}, **fields})


def tell(stage: Stage) -> None:
    """Let a morning pass: a healed fault, one that waits for a yes, one for people, one in shadow."""
    bench = stage.bench
    stage.set_modes({"scheduler-restart": Mode.AUTO, "pool-starving": Mode.APPROVE})
    bench.run(150)
    _earned(stage)
    bench.host.freeze("scheduler")
    frozen = bench.shout(
        "AirflowSchedulerProcessDown",
        component="scheduler",
        process="scheduler",
        summary="Scheduler process scheduler is frozen: its supervisor calls it running, it does nothing",
    )
    bench.run(100)
    bench.clear(frozen)
    bench.run(5 * 60)
    _shadow(stage)
    starving(stage)
    _late(stage)
    store = JournalBreakers(bench.journal)
    for name, state in (("billing", BreakerState.OPEN), ("warehouse", BreakerState.CLOSED)):
        store.change(store.load(f"{CLUSTER}/{name}"), state=state, failures=1, reopened=True)


def _shadow(stage: Stage) -> None:
    bench = stage.bench
    bench.host.freeze("triggerer")
    bench.shout(
        "AirflowTriggererDown",
        component="triggerer",
        process="triggerer",
        summary="Triggerer process triggerer is frozen: no deferred task goes on",
    )
    bench.run(100)


def starving(stage: Stage) -> None:
    """Let tasks wait for slots of a pool, and its alert fire."""
    bench = stage.bench
    bench.airflow.put_pool(Pool("general", 4))
    for number in range(4):
        bench.airflow.put_task(
            TaskKey("orders_load", "scheduled__2026-03-01T12:00:00+00:00", f"load_{number}"),
            "running",
            pool="general",
            hostname="worker_0@box",
            start_date=bench.clock.now() - timedelta(minutes=4),
        )
    for number in range(12):
        bench.airflow.put_task(
            TaskKey("orders_report", "scheduled__2026-03-01T12:00:00+00:00", f"part_{number}"),
            "scheduled",
            pool="general",
        )
    bench.shout(
        "AirflowPoolStarving",
        severity="warning",
        component="queue",
        pool="general",
        summary="12 tasks have waited for a slot of pool general for over 10 minutes",
    )
    bench.run(110)


def _late(stage: Stage) -> None:
    bench = stage.bench
    tags = ("tier:critical", "team:commerce", "type:etl")
    bench.airflow.put_dag(Dag("orders_load", is_paused=False, tags=tags))
    for hour in range(14):
        began = bench.clock.now() - timedelta(hours=14 - hour, minutes=10)
        bench.airflow.put_run(
            DagRun(
                "orders_load",
                f"scheduled__{began:%Y-%m-%dT%H}:00:00+00:00",
                "failed" if hour in (4, 10, 11, 12) else "running" if hour == 13 else "success",
                "scheduled",
                start_date=began,
                end_date=None if hour == 13 else began + timedelta(minutes=7 + hour % 3),
                run_after=began - timedelta(minutes=1),
            )
        )
    bench.shout(
        "AirflowDagConsecutiveFailures",
        severity="warning",
        component="pipelines",
        dag_id="orders_load",
        team="commerce",
        tier="critical",
        summary="orders_load has failed 3 times in a row",
    )
    bench.run(60)


def _earned(stage: Stage) -> None:
    """Count a month of replayed firings, judged right, for one playbook."""
    bench = stage.bench
    promotion = Promotion(bench.parts, lambda: None)
    firings = [
        Firing(
            0,
            bench.clock.now() - timedelta(days=30 - day),
            (f"restart worker worker_{day % 3}@box",),
            judgement=Judgement.RIGHT,
        )
        for day in range(29)
    ]
    promotion.replay("worker-silent", CLUSTER, firings, by="ada", reference="March")
