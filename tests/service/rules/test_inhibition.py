"""Inhibition in a real Alertmanager: every pair of alerts, and each critical one's AlertNotTaken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.rules.build import build
from airwarden.rules.catalogue import ALERTS
from airwarden.rules.config import RuleConfig
from airwarden.rules.inhibition import inhibits
from support.monitoring import Alertmanager

#: Seventeen thousand alerts are seconds of work for an Alertmanager, and minutes beside others.
pytestmark = pytest.mark.timeout(400)

#: Alerts that no other cause may mute.
NAMES = [name for name in ALERTS if name not in ("Watchdog", "AirwardenAlertNotTaken")]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    config = yaml.safe_load(build(RuleConfig())["alertmanager/alertmanager.yml"])
    config["route"] = {"receiver": "nobody"}
    server = Alertmanager(tmp_path, yaml.safe_dump(config))
    yield server
    server.stop()


def muted(alertmanager: Alertmanager) -> dict[tuple[str, str, str], bool]:
    """Return (cluster, alert, untaken) → whether it is inhibited."""

    def key(alert: dict[str, Any]) -> tuple[str, str, str]:
        labels = alert["labels"]
        return labels["cluster"], labels["alertname"], labels.get("untaken", "")

    return {key(a): bool(a["status"]["inhibitedBy"]) for a in alertmanager.alerts()}


def test_each_cause_mutes_its_symptoms_in_its_own_cluster_and_nothing_else(
    alertmanager: Alertmanager,
) -> None:
    pairs = {
        f"pair-{number}": (cause, symptom)
        for number, (cause, symptom) in enumerate((a, b) for a in NAMES for b in NAMES if a != b)
    }
    alertmanager.post(
        {"alertname": name, "cluster": cluster, "role": role}
        for cluster, (cause, symptom) in pairs.items()
        for name, role in ((cause, "cause"), (symptom, "symptom"))
    )
    found = muted(alertmanager)
    for cluster, (cause, symptom) in pairs.items():
        assert found[cluster, symptom, ""] == inhibits(cause, symptom), (cause, symptom)
        assert found[cluster, cause, ""] == inhibits(symptom, cause), (symptom, cause)


def test_what_is_held_back_is_not_called_untaken(alertmanager: Alertmanager) -> None:
    pairs = {
        f"untaken-{number}": (cause, symptom)
        for number, (cause, symptom) in enumerate((a, b) for a in NAMES for b in NAMES)
    }
    alertmanager.post(
        labels
        for cluster, (cause, symptom) in pairs.items()
        for labels in (
            {"alertname": cause, "cluster": cluster},
            {"alertname": "AirwardenAlertNotTaken", "cluster": cluster, "untaken": symptom},
        )
    )
    found = muted(alertmanager)
    for cluster, (cause, symptom) in pairs.items():
        held_back = found[cluster, "AirwardenAlertNotTaken", symptom]
        assert held_back == inhibits(cause, symptom), (cause, symptom)


def test_the_fault_nobody_handles_mutes_that_the_remediator_is_down(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.post([{"alertname": "AirwardenRemediatorDown", "cluster": "all"}])
    alertmanager.post(
        [{"alertname": "AirwardenAlertNotTaken", "cluster": "east", "untaken": "AirflowBrokerDown"}]
    )
    found = muted(alertmanager)
    assert found["all", "AirwardenRemediatorDown", ""]
    assert not found["east", "AirwardenAlertNotTaken", "AirflowBrokerDown"]
