"""A remediator that listens on a free port, with fakes behind its ports and a real clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from airwarden.core.clock import Clock
from airwarden.core.ports import Alertmanager, ChatSocket
from airwarden.remediation.actions.base import Action
from airwarden.remediation.app import Remediator
from airwarden.remediation.checks.base import Check
from airwarden.remediation.composition import Composition, RemediatorConfig
from airwarden.remediation.decide.correlate import LoadedPlaybook, PlaybookSet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.store import Journal, await_journal
from airwarden.remediation.leadership import LeaseTimes
from airwarden.remediation.operators import Operators
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.poll import PollTimes
from airwarden.remediation.world import World
from support.engine import (
    Ask,
    FakeAlertmanager,
    Hold,
    Machine,
    Recorder,
    Restart,
    compose_chat,
    compose_page,
    playbook,
)
from support.journals import up_to_date

WEBHOOK_TOKEN = "webhook-" + "w" * 24
API_TOKEN = "operator-" + "o" * 24


class RealClock:
    """The machine's clocks; `wait` returns early once `stop` was called."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wait(self, seconds: float) -> bool:
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        self._stopped.set()


def quick_playbook(**changes: Any) -> Playbook:
    """The machine's playbook with times short enough to wait for."""
    quick = {
        "confirm": {"check": "sick", "times": 1, "every": "100ms"},
        "verify": {"check": "well", "within": "5s", "stable": "0s"},
        "page": {"when": "unhealed", "after": "30s"},
    }
    return playbook(**{**quick, **changes})


@dataclass(frozen=True)
class Kit:
    """What a remediator works with and on."""

    world: World
    actions: Mapping[str, Action]
    checks: Mapping[str, Check]


def machine_kit(machine: Machine) -> Callable[[Journal, Clock], Kit]:
    """Return what makes the kit of the one breakable machine."""

    def make(_journal: Journal, clock: Clock) -> Kit:
        return Kit(
            World("lab", clock),
            {one.name: one for one in (Restart(machine), Hold())},
            {name: Ask(name, machine, name) for name in ("sick", "well", "flag")},
        )

    return make


class Running:
    """A started remediator and what is behind it."""

    def __init__(
        self,
        url: str,
        *,
        book: Playbook | None = None,
        books: Sequence[Playbook] = (),
        mode: Mode = Mode.AUTO,
        lease: LeaseTimes | None = None,
        poll: PollTimes | None = None,
        machine: Machine | None = None,
        recorder: Recorder | None = None,
        with_alertmanager: bool = True,
        alarm_after: float = 20.0,
        kit: Callable[[Journal, Clock], Kit] | None = None,
        told: Any = None,
        rails: Rails | None = None,
        clock: RealClock | None = None,
        alertmanager: Alertmanager | None = None,
        operators: Operators | None = None,
        composed: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        chat_socket: ChatSocket | None = None,
    ) -> None:
        self.machine = machine or Machine()
        self.alertmanager = FakeAlertmanager()
        self.recorder = recorder or Recorder()
        self.clock = clock or RealClock()
        used = books or [book or quick_playbook()]
        numbers = rails or Rails()
        self.playbooks = PlaybookSet(
            {one.name: LoadedPlaybook(one, mode, numbers) for one in used}, numbers
        )
        journal = await_journal(up_to_date(url), self.clock, patience=30)
        made = (kit or machine_kit(self.machine))(journal, self.clock)
        composition = Composition(
            worlds={"lab": made.world},
            playbooks=self.playbooks,
            chat_composer=compose_chat,
            pager_composer=compose_page,
            operators=operators or Operators(),
            alertmanager=(alertmanager or self.alertmanager) if with_alertmanager else None,
            pager=told or self.recorder,
            chat=told or self.recorder,
        )
        self.remediator = Remediator(
            journal=journal,
            clock=self.clock,
            composition=replace(composition, **(composed or {})),
            actions=made.actions,
            checks=made.checks,
            config=replace(
                RemediatorConfig(
                    webhook_token=SecretStr(WEBHOOK_TOKEN),
                    api_token=SecretStr(API_TOKEN),
                    port=0,
                    lease=lease or LeaseTimes(),
                    poll=poll or PollTimes(),
                    turn=0.1,
                    alarm_after=alarm_after,
                ),
                **(config or {}),
            ),
            chat_socket=chat_socket,
        )
        self.remediator.start()
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.remediator.port}", timeout=30, trust_env=False
        )

    def webhook(self, body: bytes, token: str = WEBHOOK_TOKEN) -> httpx.Response:
        """Post a delivery."""
        headers = {"Authorization": f"Bearer {token}".strip(), "Content-Type": "application/json"}
        return self.http.post("/api/v1/alerts", content=body, headers=headers)

    def get(self, path: str, token: str = API_TOKEN) -> Any:
        """Read the operators' API."""
        answer = self.http.get(path, headers={"Authorization": f"Bearer {token}"})
        return answer.raise_for_status().json()

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, token: str = API_TOKEN
    ) -> httpx.Response:
        """Send an operator's command."""
        headers = {"Authorization": f"Bearer {token}", "X-Airwarden-Actor": "ada"}
        return self.http.post(path, json=dict(body or {}), headers=headers)

    def metrics(self) -> dict[str, float]:
        """Return every sample of /metrics by its series."""
        text = self.http.get("/metrics").raise_for_status().text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, value in rows}

    def stop(self) -> None:
        """Stop it cleanly."""
        self.http.close()
        self.clock.stop()
        self.remediator.stop()
