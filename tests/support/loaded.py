"""A remediator as a process of its own for load: ten playbooks, a target per alert, remedies that help.

`python -m support.loaded FOLDER URL` writes its port to `FOLDER/port` and serves until SIGTERM. Its
world is in its memory: a target is sick until it was mended. What became of the alerts is in the
journal, which whoever loads it reads with `support.load`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.world import Json, Subject, World
from support.engine import FakeAction, playbook
from support.remediator import Kit, Running

#: Alerts `Fault0` to `Fault9` belong to playbooks `fault-0` to `fault-9`.
BOOKS = 10
#: Seconds for which a fault is confirmed before anything is done.
CONFIRMED_AFTER = 2.0


class Targets:
    """Which targets were mended."""

    def __init__(self) -> None:
        self.mended: set[str] = set()


class Mend(FakeAction):
    """Mends the target that the alert's `name` label says."""

    name = "target.mend"
    danger = Danger.A

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        name = subject.labels["name"]
        if name in self._targets.mended:
            return Nothing("it is well")
        target = f"{world.cluster}/target/{name}"
        return Plan((Effect(self.name, target, {"name": name}, {}, f"mend {name}"),))

    def apply(self, world: World, effect: Effect) -> Json:
        self._targets.mended.add(effect.parameters["name"])
        return {}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        done = effect.parameters["name"] in self._targets.mended
        return ReadBack.DONE if done else ReadBack.NOT_DONE


class Look:
    """Reads whether a target is sick, or well."""

    needs = frozenset[str]()

    def __init__(self, name: str, targets: Targets, *, mended: bool) -> None:
        self.name = name
        self._targets = targets
        self._mended = mended

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        holds = (subject.labels.get("name", "") in self._targets.mended) is self._mended
        return Reading(Verdict.TRUE if holds else Verdict.FALSE, f"{self.name} is {holds}")


def books() -> list[Playbook]:
    """Return the ten playbooks."""
    return [
        playbook(
            name=f"fault-{number}",
            alerts=[{"alertname": f"Fault{number}"}],
            confirm={"check": "sick", "times": 2, "every": f"{CONFIRMED_AFTER:g}s"},
            steps=[{"id": "mend", "action": Mend.name}],
            verify={"check": "well", "within": "60s", "stable": "5s"},
        )
        for number in range(BOOKS)
    ]


def main() -> None:
    """Serve until SIGTERM."""
    folder, url = Path(sys.argv[1]), sys.argv[2]
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    targets = Targets()
    running = Running(
        url,
        books=books(),
        rails=Rails(mild_playbook_per_hour=10_000, mild_all_per_hour=100_000),
        kit=lambda _journal, clock: Kit(
            World("lab", clock),
            {Mend.name: Mend(targets)},
            {
                "sick": Look("sick", targets, mended=False),
                "well": Look("well", targets, mended=True),
            },
        ),
        with_alertmanager=False,
    )
    fresh = folder / "port.new"
    fresh.write_text(str(running.remediator.port))
    fresh.replace(folder / "port")
    stopped.wait()
    running.stop()


if __name__ == "__main__":
    main()
