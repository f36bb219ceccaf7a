"""The whole path with real servers: a metric, a rule, Alertmanager, and who hears of it.

Everything is built by `build`, with short times as a demo has them; only the two ends are scripted: an
exporter that says what the test wants, and a remediator that takes alerts or is gone.

A machine with much to do misses scrapes. No test may see a fault in that, so the alerts on what is missing
(nobody takes it, nobody answers) hold for minutes until a test has made the fault that they are for.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import parse_threshold
from airwarden.rules.build import build
from airwarden.rules.catalogue import ALERTS
from airwarden.rules.config import (
    AlertmanagerTiming,
    AlertOverride,
    PagerDutyRoute,
    RemediatorRoute,
    RuleConfig,
    SlackRoute,
    TeamRoute,
)
from support.endpoints import ServedEndpoints, endpoints
from support.eventually import eventually
from support.monitoring import Alertmanager, Answer, Prometheus, Scripted
from support.servers import free_port

__all__ = ["endpoints"]

SECOND = timedelta(seconds=1)
#: Much longer than a test takes.
NEVER = timedelta(minutes=10)
#: How long is waited for what comes in a few seconds when the machine has nothing else to do.
SOON = 60
TOKEN = "the-intake-token"
HEALTHY = {
    'airwarden_collector_success{cluster="default",collector="database"}': 1.0,
    'airwarden_host_process_up{cluster="default",component="scheduler",process="scheduler"}': 1.0,
    'airwarden_dependency_up{cluster="default",dependency="billing-api"}': 1.0,
    'airwarden_cluster_utilization_ratio{cluster="default",resource="slots"}': 0.5,
}
SCHEDULER_FROZEN = {list(HEALTHY)[1]: 0.0}


class Exporter:
    """Serves the samples that the test sets."""

    #: With their time they hold until others come: a missed scrape does not end them.
    lasting = False

    def __init__(self) -> None:
        self.samples = dict(HEALTHY)
        self.server = Scripted(self._answer)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        del method, path, headers, body
        at = str(round(time.time() * 1000)) if self.lasting else ""
        return 200, "".join(f"{series} {value} {at}\n" for series, value in self.samples.items())


class Remediator:
    """Takes alerts with the right token, and says in its metrics what it has taken."""

    def __init__(self) -> None:
        self.delivered: list[dict[str, Any]] = []
        self.taken: dict[str, int] = {}
        self.takes = True
        self.server = Scripted(self._answer)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if method == "GET":
            lines = [
                f'airwarden_remediator_alerts_taken{{cluster="default",alertname="{name}"}} {count}\n'
                for name, count in self.taken.items()
            ]
            return 200, "".join(lines)
        if (path, headers.get("Authorization")) != ("/api/v1/alerts", f"Bearer {TOKEN}"):
            return 401, "who are you"
        for alert in json.loads(body)["alerts"]:
            self.delivered.append(alert)
            if self.takes:
                self.taken[alert["labels"]["alertname"]] = int(alert["status"] == "firing")
        return 200, "taken"

    def heard(self, name: str, status: str) -> dict[str, Any] | None:
        """Return the last delivery of an alert if it has this status."""
        of_it = [a for a in self.delivered if a["labels"]["alertname"] == name]
        return of_it[-1] if of_it and of_it[-1]["status"] == status else None


class Installation:
    """One running installation."""

    def __init__(self, folder: Path, served: ServedEndpoints) -> None:
        self.exporter, self.remediator, self.served = Exporter(), Remediator(), served
        for name, secret in {
            "webhook": TOKEN, "pager": "0" * 32, "slack": f"{served.url}/services/T/B/x",
        }.items():  # fmt: skip
            (folder / name).write_text(secret)
        alertmanager_port = free_port()
        quick = {name: AlertOverride(threshold=parse_threshold("for 1s")) for name in ALERTS}
        quick["AirflowCollectorFailing"] = AlertOverride(
            threshold=parse_threshold("for 1s"), severity=Severity.INFO
        )
        for name in ("AirflowExporterDown", "AirwardenAlertNotTaken", "AirwardenRemediatorDown"):
            quick[name] = AlertOverride(hold=NEVER)
        config = RuleConfig(
            scrape_interval=SECOND,
            evaluation_interval=SECOND,
            overrides=quick,
            teams=(TeamRoute("growth", "#growth"),),
            exporters=(self.exporter.server.address,),
            remediators=(self.remediator.server.address,),
            alertmanagers=(f"http://127.0.0.1:{alertmanager_port}",),
            remediator=RemediatorRoute(
                f"http://{self.remediator.server.address}", str(folder / "webhook")
            ),
            slack=SlackRoute("#airflow", webhook_url_file=str(folder / "slack")),
            pagerduty=PagerDutyRoute(str(folder / "pager"), f"{served.url}/v2/enqueue"),
            heartbeat_url=f"{served.url}/heartbeat",
            timing=AlertmanagerTiming(
                remediator_group_interval=SECOND,
                pager_group_wait=SECOND,
                group_wait=SECOND,
                group_interval=2 * SECOND,
                heartbeat_interval=2 * SECOND,
            ),
        )
        files = build(config)
        for path, text in files.items():
            if path.startswith("prometheus/"):
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        self.alertmanager = Alertmanager(
            folder / "alertmanager", files["alertmanager/alertmanager.yml"], alertmanager_port
        )
        self._rules = folder / "prometheus" / "rules"
        self.prometheus = Prometheus(folder / "prometheus", "--web.enable-lifecycle")

    def hold(self, name: str, hold: str) -> None:
        """Let Prometheus wait this long from now on before it fires this alert."""
        found = 0
        for file in self._rules.glob("*.yml"):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            rules = [r for g in content["groups"] for r in g["rules"] if r.get("alert") == name]
            for rule in rules:
                rule["for"] = hold
            if rules:
                file.write_text(yaml.safe_dump(content), encoding="utf-8")
            found += len(rules)
        assert found
        httpx.post(f"{self.prometheus.url}/-/reload", timeout=30).raise_for_status()

    def looked_and_found_nothing(self, alert: str, since: float) -> bool:
        """Whether this alert's rule was evaluated after that moment, and nothing is pending there."""
        (rule,) = [r for r in self.prometheus.rules() if r["name"] == alert]
        return epoch(str(rule["lastEvaluation"])) > since and rule["state"] == "inactive"

    def pages(self) -> list[dict[str, Any]]:
        """Return the PagerDuty triggers accepted so far."""
        return [dict(e["body"]) for e in self.served.record.entries
                if e["service"] == "pagerduty" and e["accepted"] and e["body"]["event_action"] == "trigger"]  # fmt: skip

    def chats(self) -> list[dict[str, Any]]:
        """Return the Slack messages accepted so far."""
        return [dict(e["body"]) for e in self.served.record.entries
                if e["service"] == "slack-webhook" and e["accepted"]]  # fmt: skip

    def stop(self) -> None:
        servers = (self.exporter.server, self.remediator.server)
        for part in (self.prometheus, self.alertmanager, *servers):
            part.stop()


def epoch(text: str) -> float:
    """Return the seconds of a moment as Prometheus writes it, with its nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text)).timestamp()


@pytest.fixture
def path(tmp_path: Path, endpoints: ServedEndpoints) -> Iterator[Installation]:
    running = Installation(tmp_path, endpoints)
    yield running
    running.stop()


def test_a_fault_reaches_the_remediator_once_and_a_person_only_when_nobody_takes_it(
    path: Installation,
) -> None:
    remediator, path.exporter.lasting = path.remediator, True
    alert = "AirflowSchedulerProcessDown"
    watched = ('{__name__=~"airwarden_.+"}', "ALERTS")
    eventually(lambda: all(map(path.prometheus.query, watched)), within=SOON, what="first scrapes")
    eventually(
        lambda: [e for e in path.served.record.entries if e["service"] == "heartbeat"],
        within=SOON, what="the sign of life",
    )  # fmt: skip
    assert [r["name"] for r in path.prometheus.rules() if r["health"] == "err"] == []
    assert path.pages() == []
    assert path.chats() == []
    assert remediator.delivered == []

    # A critical fault that the remediator takes: no page from Alertmanager.
    path.exporter.samples |= SCHEDULER_FROZEN
    firing = eventually(lambda: remediator.heard(alert, "firing"), within=SOON)
    assert firing is not None
    assert firing["labels"] == {
        "alertname": alert, "severity": "critical", "cluster": "default",
        "component": "scheduler", "process": "scheduler",
    }  # fmt: skip
    assert firing["annotations"]["runbook_url"].endswith(f"/runbooks/{alert}.md")
    taken = f'airwarden_remediator_alerts_taken{{alertname="{alert}"}}'
    seen = eventually(
        lambda: path.prometheus.query(f"timestamp({taken}) and {taken} == 1"), within=SOON
    )
    eventually(
        lambda: path.looked_and_found_nothing("AirwardenAlertNotTaken", float(seen[0]["value"][1])),
        within=SOON, what="the rule for what nobody takes has nothing to say",
    )  # fmt: skip

    # A warning beside it: the remediator hears it and will tell of it, Alertmanager does not as well.
    path.exporter.samples['airwarden_cluster_utilization_ratio{cluster="default",resource="slots"}'] = 0.99  # fmt: skip
    eventually(lambda: remediator.heard("AirflowResourceUtilizationHigh", "firing"), within=SOON)

    # What is only worth knowing is not for the remediator: the chat has it, later than the warning.
    path.exporter.samples['airwarden_collector_success{cluster="default",collector="database"}'] = 0
    eventually(path.chats, within=SOON, what="the information in chat")
    assert path.chats()[0]["channel"] == "#airflow"

    path.exporter.samples |= HEALTHY
    eventually(lambda: remediator.heard(alert, "resolved"), within=SOON)
    assert path.pages() == []
    titles = [chat["attachments"][0]["title"] for chat in path.chats()]
    assert [title for title in titles if "Collector database" not in title] == []

    # The remediator answers 200 but takes nothing: one page, which names the fault.
    remediator.takes, remediator.taken = False, {}
    path.hold("AirwardenAlertNotTaken", "2s")
    path.exporter.samples['airwarden_dependency_up{cluster="default",dependency="billing-api"}'] = 0
    eventually(path.pages, within=SOON, what="the page for what nobody took")

    # And then it is gone altogether, longer than its own alert waits: still the one page. After a reload Prometheus
    # knows no Alertmanager for up to 5 s, and at this pace what mutes is forgotten after 8 s without it.
    remediator.server.stop()
    path.hold("AirwardenRemediatorDown", "10s")
    eventually(
        lambda: [
            a for a in path.alertmanager.alerts()
            if a["labels"]["alertname"] == "AirwardenRemediatorDown" and a["status"]["inhibitedBy"]
        ],
        within=SOON, what="the remediator's own alert is muted",
    )  # fmt: skip
    pages = path.pages()
    assert len({page["dedup_key"] for page in pages}) == 1
    assert pages[0]["payload"]["severity"] == "critical"
    assert (
        "AirflowDependencyDown fires on default and nothing has taken it"
        in (pages[0]["payload"]["summary"])
    )


def test_remediator_and_exporter_that_die_in_quiet_times_are_a_page_each(
    path: Installation,
) -> None:
    eventually(lambda: path.prometheus.query("airwarden_collector_success"), within=SOON)
    path.remediator.server.stop()
    path.hold("AirwardenRemediatorDown", "4s")
    eventually(path.pages, within=SOON, what="the page for the remediator")
    path.exporter.server.stop()
    path.hold("AirflowExporterDown", "4s")
    eventually(lambda: len(path.pages()) > 1, within=SOON, what="the page for the exporter")
    summaries = [page["payload"]["summary"] for page in path.pages()]
    assert "remediator is down" in summaries[0]
    assert "its exporter is down" in summaries[1]
    assert len({page["dedup_key"] for page in path.pages()}) == 2
