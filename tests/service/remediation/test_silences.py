"""A silence or an inhibition that begins while a remedy is under way stops it, on a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.adapters.alertmanager import AlertmanagerApi
from airwarden.remediation.poll import PollTimes
from support.eventually import eventually
from support.monitoring import Alertmanager
from support.remediator import WEBHOOK_TOKEN, Running, quick_playbook
from support.servers import free_port

FAULT = {"alertname": "MachineDown", "severity": "critical", "cluster": "lab", "name": "one"}
CAUSE = {"alertname": "PowerOut", "severity": "critical", "cluster": "lab"}
CONFIG = """
route: {receiver: airwarden, group_wait: 0s, group_interval: 1s, group_by: ['...']}
receivers:
  - name: airwarden
    webhook_configs:
      - url: URL
        http_config: {authorization: {credentials: TOKEN}}
inhibit_rules:
  - {source_matchers: [alertname = PowerOut], target_matchers: [alertname = MachineDown],
     equal: [cluster]}
"""


class World:
    """A remediator and the Alertmanager that tells it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.running = Running(
            f"sqlite:///{folder / 'journal.db'}",
            # Long enough for the silence to come between the alert and the effect.
            book=quick_playbook(confirm={"check": "sick", "times": 4, "every": "1s"}),
            alertmanager=AlertmanagerApi(f"http://127.0.0.1:{port}", receiver="airwarden"),
            poll=PollTimes(every=0.5),
        )
        self.running.machine.healthy = False
        url = f"http://127.0.0.1:{self.running.remediator.port}/api/v1/alerts"
        config = CONFIG.replace("URL", url).replace("TOKEN", WEBHOOK_TOKEN)
        self.alertmanager = Alertmanager(folder / "alertmanager", config, port)

    def story(self) -> str:
        """What is told of the first incident, empty before there is one."""
        if not self.running.get("/api/v1/incidents")["incidents"]:
            return ""
        return str(self.running.get("/api/v1/incidents/1/explain")["text"])

    def stop(self) -> None:
        self.alertmanager.stop()
        self.running.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.stop()


def test_a_silence_that_begins_later_holds_the_remedy_until_it_ends(world: World) -> None:
    world.alertmanager.post([FAULT])
    eventually(world.story, within=15, what="the incident is taken")
    silence = world.alertmanager.silence({"alertname": "MachineDown", "cluster": "lab"})
    eventually(lambda: "Guard suppressed" in world.story(), within=20, what="it is held")
    assert world.running.machine.restarts == 0
    world.alertmanager.expire(silence)
    eventually(lambda: world.running.machine.restarts == 1, within=30, what="it goes on")


def test_an_inhibition_that_begins_later_holds_the_remedy(world: World) -> None:
    world.alertmanager.post([FAULT])
    eventually(world.story, within=15, what="the incident is taken")
    world.alertmanager.post([CAUSE])
    eventually(lambda: "Guard suppressed" in world.story(), within=20, what="it is held")
    assert world.running.machine.restarts == 0
    assert "silenced or inhibited" in world.story()


def test_what_is_silenced_from_the_start_is_not_taken(world: World) -> None:
    world.alertmanager.silence({"alertname": "MachineDown"})
    world.alertmanager.post([FAULT])
    taken = 'airwarden_remediator_alerts_taken{alertname="MachineDown",cluster="lab"}'
    eventually(lambda: world.running.metrics().get(taken) == 1, within=20, what="it is decided on")
    assert world.story() == ""
