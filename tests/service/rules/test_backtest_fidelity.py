"""The replay beside the engines themselves: promtool in virtual time, and a real Alertmanager.

The history is made up, the series are those that the replay rebuilds from it, and the rules are the ones
that are shipped. The replay must say of each minute of a day what promtool says, and send what Alertmanager
sends.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from airwarden.core.history import RUN_STATES, RUN_TYPES, PastRuns
from airwarden.rules import objectives
from airwarden.rules.backtest.episodes import Sent
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.notify import Alertmanager as Model
from airwarden.rules.backtest.past_metrics import DagKind, PastOfRuns
from airwarden.rules.backtest.replay import Replayed, RuleSet, replay
from airwarden.rules.backtest.vectors import Span
from airwarden.rules.config import ObjectiveOverride, RuleConfig
from airwarden.rules.render_alertmanager import alertmanager_document
from airwarden.rules.render_prometheus import rule_files
from support.monitoring import Alertmanager, Scripted

STEP = 60.0
HOURS = 24
#: Of the objectives the one that is about what promtool is given.
CONFIG = RuleConfig(
    scrape_interval=timedelta(minutes=1),
    evaluation_interval=timedelta(minutes=1),
    objectives={
        name: ObjectiveOverride(enabled=name == "dag-success") for name in objectives.CATALOGUE
    },
)
#: Twenty teams of two DAGs; a run of each every minute or so.
DAGS = [DagKind(f"dag_{n}", "etl", "high", f"team_{n % 20:02}") for n in range(40)] + [
    DagKind("", "unset", "unset", "unset")
]
ALERTS = (
    "AirflowDagFailureRateHigh", "AirflowTeamDagFailureRateHigh", "AirflowSchedulerLagHigh",
    "AirflowErrorBudgetBurnFast", "AirflowErrorBudgetBurnSlow",
)  # fmt: skip


def a_day(seed: int) -> PastRuns:
    """A day of 60,000 runs in which teams fail for a while, all fail for a while, and scheduling stops."""
    dice = np.random.default_rng(seed)
    number = 60_000
    due = np.sort(dice.uniform(0, HOURS * 3600, number))
    dag = dice.integers(0, 40, number).astype(np.int32)
    late = dice.exponential(2.0, number)
    # The scheduler stands still for twelve minutes: what was due is made and begun after it.
    for begin, seconds in ((30_000.0, 720.0), (60_000.0, 400.0)):
        stopped = (due > begin) & (due < begin + seconds)
        late[stopped] = begin + seconds - due[stopped] + dice.exponential(3.0, stopped.sum())
    started = due + late
    ended = started + dice.uniform(20, 600, number)
    share = np.full(number, 0.01)
    for team, begin, seconds, level in (
        (3, 10_000, 4000, 0.5), (7, 20_000, 2000, 0.25), (11, 25_000, 5000, 0.18), (5, 70_000, 900, 0.9),
    ):  # fmt: skip
        share[(dag % 20 == team) & (ended > begin) & (ended < begin + seconds)] = level
    share[(ended > 45_000) & (ended < 49_000)] = 0.5
    share[(ended > 50_000) & (ended < 51_500)] = 0.06
    failed = dice.uniform(0, 1, number) < share
    state = np.where(failed, RUN_STATES.index("failed"), RUN_STATES.index("success"))
    return PastRuns(
        dag=dag, state=state.astype(np.int32),
        run_type=np.full(number, RUN_TYPES.index("scheduled"), dtype=np.int32),
        due=due, created=started - late * 0.1, queued=started - late * 0.1, started=started, ended=ended,
    )  # fmt: skip


@pytest.fixture(scope="module")
def replayed() -> tuple[PastOfRuns, Replayed]:
    grid = Grid(0.0, STEP, int(HOURS * 3600 / STEP), 60)
    past = PastOfRuns(grid, a_day(1), DAGS, "default")
    [found] = replay([RuleSet.of(CONFIG)], past, grid)
    return past, found


def lines(past: PastOfRuns) -> list[dict[str, str]]:
    """The rebuilt series as promtool takes them, at 20 s: a sample stands before what sees it first."""
    found = []
    span = Span(0, past.grid.count)
    for name in ("airwarden_dag_runs_finished_total", "airwarden_scheduler_lag_seconds"):
        vector = past[name].vector((), span, None)
        for labels, values in zip(vector.labels, vector.values, strict=True):
            own = ", ".join(f'{key}="{value}"' for key, value in labels.items())
            born = 1000 * name.endswith("_total")  # the replayed ones began long ago
            text = "_ _ " + " _ _ ".join(f"{value:.10g}" for value in values[1:] + born)
            found.append({"series": f"{name}{{{own}}}", "values": text})
    return found


def firing(replayed: Replayed, name: str, evaluation: int) -> list[dict[str, str]]:
    return [
        {key: value for key, value in firing.labels.items() if key != "alertname"}
        for firing in replayed.firings
        if firing.labels["alertname"] == name
        and firing.fires <= evaluation < (firing.resolved or 10**9)
    ]


@pytest.mark.reliability
def test_a_day_of_firing_minutes_is_what_promtool_says(
    replayed: tuple[PastOfRuns, Replayed], tmp_path: Path
) -> None:
    past, found = replayed
    files = rule_files(RuleSet.of(CONFIG).rules)
    names = ("airwarden-pipelines.yml", "airwarden-scheduler.yml", "airwarden-slo.yml")
    for name in names:
        document = yaml.safe_load(files[name])
        for group in document["groups"]:
            group["rules"] = [
                # Annotations are not compared, and templates that look things up take time.
                {key: value for key, value in rule.items() if key != "annotations"}
                for rule in group["rules"]
                if rule.get("alert", ALERTS[0]) in ALERTS
            ]
        (tmp_path / name).write_text(yaml.safe_dump(document))
    looks = [
        {
            "eval_time": f"{minute}m",
            "alertname": name,
            "exp_alerts": [{"exp_labels": labels} for labels in firing(found, name, minute)],
        }
        for minute in range(HOURS * 60)
        for name in ALERTS
    ]
    assert sum(bool(look["exp_alerts"]) for look in looks) > 100
    assert {look["alertname"] for look in looks if look["exp_alerts"]} == set(ALERTS)
    test = {
        "rule_files": list(names),
        "evaluation_interval": "1m",
        "tests": [{"interval": "20s", "input_series": lines(past), "alert_rule_test": looks}],
    }
    (tmp_path / "day.yml").write_text(json.dumps(test))
    result = subprocess.run(
        ["promtool", "test", "rules", "day.yml"], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=100,
    )  # fmt: skip
    wrong = re.findall(r"alertname: ?\w+, time: ?\w+", result.stdout + result.stderr)
    assert result.returncode == 0 or wrong, result.stderr
    assert len(wrong) <= 0.01 * len(looks), (len(wrong), wrong[:10])


FASTER = 60.0


def _faster(node: Any) -> Any:
    """The same routing with every length of time divided by sixty."""
    if isinstance(node, dict):
        return {
            key: f"{max(1, round(_seconds(value) / FASTER * 1000))}ms"
            if key in ("group_wait", "group_interval", "repeat_interval")
            else _faster(value)
            for key, value in node.items()
        }
    return [_faster(one) for one in node] if isinstance(node, list) else node


def _seconds(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(n) * units[u] for n, u in re.findall(r"(\d+)([hms])", text))


#: An hour: label set → when it fires and ends, in seconds of the recording; nothing ends within a second of
#: the real clock of a flush.
HOUR: list[tuple[dict[str, str], float, float]] = [
    ({"alertname": "AirflowSchedulerLagHigh", "severity": "critical"}, 120, 900),
    ({"alertname": "AirflowTeamDagFailureRateHigh", "severity": "warning", "team": "a"}, 300, 1420),
    ({"alertname": "AirflowTeamDagFailureRateHigh", "severity": "warning", "team": "b"}, 700, 2340),
    ({"alertname": "AirflowDagFailureRateHigh", "severity": "critical"}, 1000, 1400),
    ({"alertname": "AirflowDatabaseDown", "severity": "critical"}, 2000, 2540),
    (
        {"alertname": "AirflowSchedulerHeartbeatLost", "severity": "critical", "job_id": "1"},
        2100,
        3400,
    ),
    ({"alertname": "AirflowWorkerDown", "severity": "warning", "hostname": "w"}, 2880, 3300),
]


@pytest.mark.reliability
def test_an_hour_of_notifications_is_what_alertmanager_sends(tmp_path: Path) -> None:
    hour = [({**labels, "cluster": "default"}, begin, end) for labels, begin, end in HOUR]
    heard: list[tuple[float, str, str, int]] = []
    lock = threading.Lock()
    begun = 0.0

    def hear(method: str, path: str, headers: Any, body: bytes) -> tuple[int, str]:
        message = json.loads(body)
        live = sum(alert["status"] == "firing" for alert in message["alerts"])
        name = message["groupLabels"].get("alertname", "")
        with lock:
            heard.append(((time.monotonic() - begun) * FASTER, path.strip("/"), name, live))
        return 200, ""

    hook = Scripted(hear)
    document = alertmanager_document(RuleSet.of(CONFIG).rules)
    fast = _faster(copy.deepcopy(document))
    fast["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"http://{hook.address}/{receiver['name']}"}]}
        for receiver in document["receivers"]
    ]  # fmt: skip
    expected_config = {**document, "receivers": fast["receivers"]}
    server = Alertmanager(tmp_path, yaml.safe_dump(fast))
    try:
        begun = time.monotonic()
        moments = sorted(
            {when for _, begin, end in hour for when in (begin, end)} | set(range(0, 3600, 60))
        )
        for moment in moments:
            time.sleep(max(0.0, begun + moment / FASTER - time.monotonic()))
            _post(server, hour, moment, begun)
        time.sleep(max(0.0, begun + 3600 / FASTER - time.monotonic()))
    finally:
        server.stop()
        hook.stop()
    alerts = [Sent.of(labels, begin, end, place) for place, (labels, begin, end) in enumerate(hour)]
    wanted = [
        (n.at, e.route.receiver, dict(e.group)["alertname"], n.firing)
        for e in Model(expected_config).episodes(alerts, 3600)
        for n in e.notifications
    ]
    assert len(wanted) > 10
    said = [(receiver, name, live) for _, receiver, name, live in sorted(heard)]
    for at, receiver, name, live in sorted(wanted):
        near = [abs(when - at) for when, *rest in heard if rest == [receiver, name, live]]
        # A second of the real clock is a minute of the recording.
        assert near, ("not sent", at, receiver, name, live, heard)
        # An end that was inhibited comes with the group's next flush, or with that of a new group: the
        # half minute after which Alertmanager drops an empty group cannot be divided.
        assert min(near) < (120 if live else 330)
    assert Counter(said) == Counter((r, n, live) for _, r, n, live in wanted), sorted(heard)


def _post(server: Alertmanager, hour: Any, moment: float, begun: float) -> None:
    """Tell what fires and what has just ended, as Prometheus does."""
    now = time.time() - (time.monotonic() - begun)

    def text(when: float) -> str:
        whole = now + when / FASTER
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f"{whole % 1:.3f}"[1:] + "Z"

    body = [
        {
            "labels": labels,
            "startsAt": text(begin),
            "endsAt": text(end if end <= moment else moment + 20 * 60),
        }
        for labels, begin, end in hour
        if begin <= moment and end + 900 > moment
    ]
    httpx.post(f"{server.url}/api/v2/alerts", json=body, timeout=10).raise_for_status()
