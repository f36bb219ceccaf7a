"""Loading a remediator over HTTP as several Alertmanagers would, and reading what became of it."""

from __future__ import annotations

import http.client
import itertools
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from airwarden.core.alerts import Alert
from support.engine import alert, webhook
from support.eventually import eventually
from support.loaded import BOOKS, CONFIRMED_AFTER
from support.remediator import WEBHOOK_TOKEN
from support.servers import Child

_HEADERS = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": "application/json"}


def alerts(count: int, *, prefix: str, per_second: float = 0.0) -> list[Alert]:
    """Return so many distinct alerts, spread evenly over the playbooks.

    They begin now, or at this rate from now on, as they will be posted.
    """
    now = datetime.now(UTC)
    every = timedelta(seconds=1 / per_second if per_second else 0)
    return [
        alert(f"Fault{number % BOOKS}", name=f"{prefix}-{number}", starts=now + number * every)
        for number in range(count)
    ]


@dataclass
class Answers:
    """What was answered to requests: seconds from when each was due, and each one's status."""

    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the seconds within which that share of the requests was answered."""
        return statistics.quantiles(self.seconds, n=1000, method="inclusive")[int(share * 1000) - 1]

    @property
    def accepted(self) -> int:
        """How many were answered 2xx."""
        return sum(200 <= status < 300 for status in self.statuses)


def post_at(
    port: int, bodies: Sequence[bytes], *, per_second: float, connections: int = 64
) -> Answers:
    """Post bodies at a fixed rate, whatever the answers take: what is late counts as late."""
    answers = Answers()
    turns = itertools.count()
    mutex = threading.Lock()
    begun = time.perf_counter() + 0.1

    def work() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            while (turn := next(turns)) < len(bodies):
                due = begun + turn / per_second
                time.sleep(max(0.0, due - time.perf_counter()))
                connection.request("POST", "/api/v1/alerts", bodies[turn], _HEADERS)
                answer = connection.getresponse()
                answer.read()
                took = time.perf_counter() - due
                with mutex:
                    answers.seconds.append(took)
                    answers.statuses.append(answer.status)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class Loaded:
    """A remediator under load, in a process of its own.

    Args:
        folder: Its own; holds its port and its log.
        url: Its journal.
    """

    def __init__(self, folder: Path, url: str) -> None:
        import sys

        root = Path(__file__).parents[1]
        self._engine = create_engine(url)
        self._child = Child(
            [sys.executable, "-m", "support.loaded", str(folder), url],
            folder / "out.log",
            {"PYTHONPATH": f"{root}:{root.parent / 'deploy/local'}"},
        )
        file = folder / "port"
        self.port = int(eventually(lambda: self._port(file), within=60, what="a port"))
        eventually(lambda: self.rows("SELECT 1 FROM lease"), within=20, what="a leader")

    def _port(self, file: Path) -> str:
        self._child.check()
        return file.read_text() if file.exists() else ""

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        """Return what the journal answers to a query of ours."""
        with self._engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    def taken(self, prefix: str) -> int:
        """Return how many alerts of that prefix belong to an incident."""
        query = "SELECT count(*) FROM alert WHERE incident_id IS NOT NULL AND labels LIKE :labels"
        return int(self.rows(query, labels=f'%"name": "{prefix}-%')[0][0])

    def pages(self) -> int:
        """Return how many pages there are: what has one key is one at PagerDuty."""
        query = (
            "SELECT count(DISTINCT dedup_key) FROM outbox"
            " WHERE channel = 'pager' AND kind LIKE 'trigger%'"
        )
        return int(self.rows(query)[0][0])

    def to_effect(self) -> list[float]:
        """Return the seconds from each alert's start to its first effect, beyond the confirming."""
        query = (
            "SELECT incident.started_at, run.first_effect_at FROM run"
            " JOIN incident ON incident.id = run.incident_id WHERE run.first_effect_at IS NOT NULL"
        )
        found = [(_moment(begun), _moment(acted)) for begun, acted in self.rows(query)]
        return [(acted - begun).total_seconds() - CONFIRMED_AFTER for begun, acted in found]

    def stop(self) -> None:
        """End it cleanly."""
        self._engine.dispose()
        self._child.stop(within=20)


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def bodies(some: Sequence[Alert], *, each: int) -> list[bytes]:
    """Return webhook bodies with `each` alerts in every one."""
    return [webhook(*some[at : at + each]) for at in range(0, len(some), each)]
