"""What a story can see and do: the platform's faults, and everybody's own word on what happens.

Each look goes to the system that knows: Prometheus for alerts, Airflow for its health lights, the
database for tasks, the remediator's API for incidents, the fake PagerDuty and Slack for messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from localplatform.layout import Platform
from stories.timeline import Mark, Timeline

#: The cluster's name in the demo's configuration.
CLUSTER = "local"

#: What Airflow's own health endpoint reports on.
LIGHTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class StoryFailedError(AssertionError):
    """A story did not come to its declared end; the message says what was missing."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something to be seen: `look` returns the timeline's text once it is there, else None."""

    mark: Mark
    look: Callable[[], str | None]
    what: str


@dataclass
class Scene:
    """One story's view of the running platform.

    Attributes:
        platform: Where everything is.
        timeline: Receives what is seen.
        remediator_url, api_token: The remediator's API.
        pages_url, chat_url: The fake PagerDuty and Slack, which say what they received.
        began: When the story began; earlier incidents and pages are not its own.
    """

    platform: Platform
    timeline: Timeline
    remediator_url: str
    api_token: str = field(repr=False)
    endpoints_url: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def await_all(self, sightings: Sequence[Sighting], *, within: float) -> None:
        """Watch for all of them, in whatever order they come; record each when it is first seen.

        Raises:
            StoryFailedError: One was not seen within that many seconds.
        """
        missing = list(sightings)
        end = time.monotonic() + within
        while missing:
            for sighting in tuple(missing):
                text = _calmly(sighting.look)
                if text is not None:
                    self.timeline.add(sighting.mark, text)
                    missing.remove(sighting)
            if missing and time.monotonic() > end:
                raise StoryFailedError(
                    f"not seen within {within:.0f} s: " + "; ".join(s.what for s in missing)
                )
            time.sleep(0.3)

    def lights(self) -> dict[str, str]:
        """Return what Airflow's own health endpoint says of each component."""
        answer = httpx.get(f"{self.platform.airflow.url}/api/v2/monitor/health", timeout=10)
        return {name: (answer.json().get(name) or {}).get("status") or "-" for name in LIGHTS}

    def note_lights(self) -> bool:
        """Put Airflow's own health lights into the timeline; return whether all were green."""
        try:
            lights = self.lights()
        except httpx.HTTPError as error:
            self.timeline.add(Mark.LIGHTS, f"Airflow's health endpoint: {type(error).__name__}")
            return False
        green = all(status in ("healthy", "-") for status in lights.values())
        words = "all green" if green else ", ".join(f"{k} {v}" for k, v in lights.items())
        self.timeline.add(Mark.LIGHTS, f"Airflow's own health lights: {words}")
        return green

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return Prometheus' instant vector for an expression."""
        answer = httpx.get(
            f"{self.platform.monitoring.prometheus_url}/api/v1/query",
            params={"query": expression},
            timeout=5,
        ).raise_for_status()
        return [(r["metric"], float(r["value"][1])) for r in answer.json()["data"]["result"]]

    def firing(self, *names: str) -> list[str]:
        """Return which of these alerts Prometheus says are firing (all firing ones if none named)."""
        rows = self.query('ALERTS{alertstate="firing"}')
        seen = {labels["alertname"] for labels, _ in rows}
        return sorted(seen & set(names) if names else seen)

    def rows(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Read Airflow's database directly, as a superuser and not through the fault proxy."""
        dsn = self.platform.dsn(self.platform.postgres.admin_dsn_file)
        with psycopg.connect(
            dsn, dbname=self.platform.postgres.database, row_factory=dict_row, connect_timeout=5
        ) as session:
            return list(session.execute(sql, parameters))

    def mapped_tasks(self, dag_id: str, run_id: str, task_id: str, state: str) -> int:
        """Return how many of a run's mapped instances of one task are in a state."""
        rows = self.rows(
            "SELECT count(*) AS tasks FROM task_instance WHERE dag_id = %(dag)s AND run_id = %(run)s"
            " AND task_id = %(task)s AND map_index >= 0 AND state = %(state)s",
            dag=dag_id,
            run=run_id,
            task=task_id,
            state=state,
        )
        return int(rows[0]["tasks"])

    def api(self, path: str, **parameters: str) -> Any:
        """Read the remediator's API."""
        answer = httpx.get(
            f"{self.remediator_url}{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {self.api_token}"},
            timeout=5,
        ).raise_for_status()
        return answer.json()

    def incidents(self, *playbooks: str) -> list[dict[str, Any]]:
        """Return the incidents opened or reopened since the story began, oldest first."""
        found = self.api("/api/v1/incidents", limit="100")["incidents"]
        return sorted(
            (
                view
                for view in found
                if (not playbooks or view["playbook"] in playbooks)
                and datetime.fromisoformat(view["updated_at"]) >= self.began
                and view["cluster"] == CLUSTER
            ),
            key=lambda view: str(view["opened_at"]),
        )

    def effects(self, *playbooks: str, action: str = "") -> list[dict[str, Any]]:
        """Return what was done since the story began and confirmed, oldest first."""
        return [
            effect
            for view in self.incidents(*playbooks)
            for effect in view["effects"]
            if effect["state"] == "CONFIRMED"
            and (not action or effect["action"] == action)
            and datetime.fromisoformat(effect["at"]) >= self.began
        ]

    def pages(self) -> list[dict[str, Any]]:
        """Return the PagerDuty triggers received since the story began, one per dedup_key."""
        triggers = {
            entry["body"]["dedup_key"]: entry["body"]
            for entry in self.received()
            if entry["service"] == "pagerduty"
            and entry["status"] == httpx.codes.ACCEPTED
            and entry["body"].get("event_action") == "trigger"
            and datetime.fromisoformat(entry["at"]) >= self.began
        }
        return list(triggers.values())

    def received(self) -> list[dict[str, Any]]:
        """Return what the fake PagerDuty and Slack received, oldest first."""
        answer = httpx.get(f"{self.endpoints_url}/_received", timeout=5).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found


def _calmly(look: Callable[[], str | None]) -> str | None:
    """Look; what cannot be read just now is not seen yet."""
    try:
        return look()
    except (httpx.HTTPError, psycopg.OperationalError, KeyError):
        return None
