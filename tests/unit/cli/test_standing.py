"""`airwarden status`: what is read, and a screen of 80 columns that says first what is wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from airwarden.cli.standing import _QUERIES, Sources, read
from airwarden.cli.standing_text import screen
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError
from airwarden.core.metrics import CATALOGUE
from airwarden.core.platform import Sample, Silence

NOW = datetime.now(UTC)


class Measured:
    """A Prometheus that answers our queries by their names."""

    def __init__(self, answers: Mapping[str, Sequence[tuple[Mapping[str, str], float]]]) -> None:
        self._by_query = {_QUERIES[name]: rows for name, rows in answers.items()}

    def query(self, expression: str) -> Sequence[Sample]:
        rows = self._by_query.get(expression, ())
        return [Sample({"cluster": "lab", **labels}, value, 0.0) for labels, value in rows]


class Firing:
    def __init__(self, *alerts: Alert) -> None:
        self._alerts = alerts

    def alerts(self) -> Sequence[Alert]:
        return self._alerts

    def silences(self) -> Sequence[Silence]:
        return ()

    def add_silence(self, silence: Silence, *, by: str) -> str:
        raise NotImplementedError


def firing(name: str, severity: str = "critical", **more: Any) -> Alert:
    return Alert(
        fingerprint=name,
        status=AlertStatus.FIRING,
        starts_at=NOW - timedelta(minutes=3),
        labels={"alertname": name, "severity": severity, "cluster": "lab", "component": "x"},
        annotations={"summary": f"{name}: a summary that is longer than the rest of any line " * 2},
        **more,
    )


def remediator(path: str, **_: Any) -> Any:
    if path == "incidents":
        return {"incidents": [incident(1), incident(2, state="ESCALATED")]}
    return {
        "leader": True,
        "led_by": "one-4711",
        "clusters": ["lab"],
        "switches": [
            {
                "scope": "kill",
                "cluster": "*",
                "set_by": "ada",
                "reason": "look [at] it",
                "mode": "off",
            }
        ],
        "kill_switch_file": "",
        "windows": [{"kind": "freeze", "cluster": "lab", "ends": "2026-03-01T12:00:00+00:00"}],
        "in_flight": [{"cluster": "lab", "target": "lab/scheduler/s1"}],
        "playbooks": {},
        "modes": {"lab": {"a": "shadow", "b": "auto", "c": "shadow"}},
    }


def incident(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "incident_id": str(number),
        "severity": "critical",
        "state": "REMEDIATING",
        "cluster": "lab",
        "title": "A scheduler is down, with words that do not fit into what is left of the line",
        "owner": "",
        "approval_expires_at": None,
        **changes,
    }


def refuses(*_: Any, **__: Any) -> Any:
    raise UnavailableError("the remediator at http://r:9811 does not answer")


PLATFORM: Mapping[str, Sequence[tuple[Mapping[str, str], float]]] = {
    "up": [
        ({"component": "scheduler", "hostname": "s1"}, 1),
        ({"component": "scheduler", "hostname": "s2"}, 0),
        ({"component": "triggerer", "hostname": "t1"}, 1),
    ],
    "processes": [({"component": "scheduler", "process": "s2"}, 0)],
    "heartbeats": [({"component": "scheduler"}, 75.0), ({"component": "triggerer"}, 2.0)],
    "lag": [({}, 12.0)],
    "runs": [({"state": "running"}, 40), ({"state": "queued"}, 3)],
    "tasks": [({"queue": "default", "state": "running"}, 33), ({"queue": "etl", "state": "queued"}, 5)],
    "waiting": [({"queue": f"q{n:02}"}, n) for n in range(12)] + [({"queue": "etl"}, 90)],
    "consumers": [({"queue": "default"}, 4), ({"queue": "etl"}, 0)],
    "busy": [({"queue": "default"}, 0.82)],
    "worker_up": [({"hostname": "w1@box"}, 1), ({"hostname": "w2@box"}, 0)],
    "worker_active": [({"hostname": "w1@box"}, 12)],
    "worker_slots": [({"hostname": "w1@box"}, 16)],
    "blind": [({"collector": "broker"}, 0)],
}  # fmt: skip


def drawn(sources: Sources, *, live: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    console.print(screen(read(sources), live=live))
    return out.getvalue()


@pytest.fixture
def all_of_it() -> Sources:
    alerts = (
        firing("AirflowQueueDeep", "warning"),
        firing("AirflowSchedulerHeartbeatLost"),
        firing("AirflowMuted", suppressed_by=("a-silence",)),
        firing("Watchdog", "none"),
    )
    return Sources(["lab"], Measured(PLATFORM), Firing(*alerts), remediator)


def test_the_screen_fits_and_says_what_is_wrong(all_of_it: Sources) -> None:
    said = drawn(all_of_it, live=True)
    assert max(map(len, said.splitlines())) <= 80
    for expected in (
        "lab  troubled",
        "1 of 2 up, 1 frozen or gone, oldest heartbeat 1 min 15 s ago",
        "scheduling    12 s behind",
        "3 queued, 40 running",
        "1 of 2 answer, 12 of 16 slots busy",
        "not measured  broker",
        "led by one-4711",
        "kill switch: everything is stopped everywhere, by ada: look [at] it",
        "freeze in lab until 2026-03-01 12:00 UTC",
        "playbooks: 1 auto, 2 shadow",
        "under way: lab/scheduler/s1",
        "alerts  2 firing, 1 suppressed",
        "incidents  2 open, 1 waits for a person",
        "q leaves",
    ):
        assert expected in said
    assert "Watchdog" not in said


def test_what_is_worst_comes_first(all_of_it: Sources) -> None:
    lines = drawn(all_of_it).splitlines()
    queues = [line.split()[0] for line in lines if line.startswith(("  etl", "  q1", "  default"))]
    assert queues[0] == "etl"
    assert "and 6 more" in "\n".join(lines)
    alerts = [line.split()[0] for line in lines if "Airflow" in line]
    assert alerts == ["critical", "warning"]
    incidents = [line.split()[0] for line in lines if "A scheduler is" in line]
    assert incidents == ["2", "1"]


def test_what_does_not_answer_is_named_and_the_rest_is_told() -> None:
    said = drawn(Sources(["lab"], Measured({}), None, refuses))
    assert "not known: Alertmanager: none is configured" in said
    assert "alerts" not in said
    assert "not known: remediator: the remediator at http://r:9811 does not answer" in said
    assert "lab  unknown" in said
    assert "is the exporter running" in said
    assert "incidents" not in said


def test_a_platform_without_a_fault_is_working() -> None:
    well = {"up": [({"component": "scheduler", "hostname": "s1"}, 1.0)]}
    (cluster,) = read(Sources([], Measured(well), Firing(), remediator)).clusters
    assert (cluster.cluster, cluster.health) == ("lab", "working")


def test_every_query_asks_for_metrics_that_exist() -> None:
    asked = {
        metric for query in _QUERIES.values() for metric in re.findall(r"airwarden_\w+", query)
    }
    assert len(asked) == len(_QUERIES)
    assert asked <= set(CATALOGUE)
