"""Every metric of the remediator's really moves: by a story in which what it tells of happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airwarden.core.catalogue import own
from airwarden.core.metrics import metric
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.holding import FLAPPING
from airwarden.remediation.journal import incidents, tables
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.switches import stop_everything
from airwarden.remediation.upkeep import Upkeep
from airwarden.remediation.world import BreakerState
from support.engine import Bench, alert
from support.keeping import DAY, heal_one, keeper

pytestmark = pytest.mark.thorough

SERVED = [entry.name for entry in own.METRICS if "remediator" in entry.source]
#: True of the process as such: it stands from the start and says the same as long as it runs.
CONSTANT = {"airwarden_build_info"}


class Scene:
    """A bench with its housekeeping, and what it shows."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(f"sqlite:///{folder / 'journal.db'}", rails=Rails())
        self.folder = folder
        self.upkeep = self.fresh_upkeep()

    def fresh_upkeep(self) -> Upkeep:
        return keeper(self.bench, self.folder)

    def show(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Look once, and return every sample."""
        self.bench.engine.look()
        self.bench.telemetry.keep(self.upkeep.state)
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.bench.telemetry.registry.collect()
            for sample in family.samples
        }

    def keep_house(self, steps: int = 60) -> None:
        self.bench.leadership.step()
        for _ in range(steps):
            self.upkeep.step()


@pytest.fixture
def scene(memory_path: Path) -> Iterator[Scene]:
    made = Scene(memory_path)
    yield made
    made.bench.close()


def break_it(scene: Scene) -> None:
    scene.bench.fire()
    scene.bench.turn()


def give_up(scene: Scene) -> None:
    scene.bench.machine.refuse = "not this one"
    scene.bench.fire()
    scene.bench.run(60)


def stop(scene: Scene) -> None:
    with scene.bench.journal.write() as tx:
        stop_everything(tx, set_by="ada", reason="a test")
    scene.bench.fire()
    scene.bench.run(60)


def ask(scene: Scene) -> None:
    scene.bench.set_mode(Mode.APPROVE)
    scene.bench.fire()
    scene.bench.run(60)


def lead(scene: Scene) -> None:
    scene.bench.turn()


def change_hands(scene: Scene) -> None:
    scene.bench.leadership.step()
    scene.bench.clock.advance(20)
    scene.bench.leadership.holder = "another"
    scene.bench.leadership.step()


def grow_old(scene: Scene) -> None:
    scene.bench.leadership.step()
    scene.show()
    scene.bench.clock.advance(7)


def deliver(scene: Scene) -> None:
    scene.bench.fire()
    scene.bench.clock.advance(3)


def mute(scene: Scene) -> None:
    scene.bench.fire()
    scene.bench.engine.tick()
    scene.bench.clock.advance(5)


def trip(scene: Scene) -> None:
    breakers = JournalBreakers(scene.bench.journal)
    breakers.change(breakers.load("lab/dependency/x"), state=BreakerState.OPEN, reopened=True)


def demote(scene: Scene) -> None:
    scene.bench.set_mode(Mode.SHADOW)


def refuse(scene: Scene) -> None:
    scene.bench.telemetry.reloaded(ok=False, at=1.0)


def reload(scene: Scene) -> None:
    scene.bench.telemetry.reloaded(ok=True, at=2.0)


def heal_and_come_back(scene: Scene) -> None:
    heal_one(scene.bench, "one")
    scene.keep_house()
    scene.bench.fire()
    scene.bench.turn()


def forge(scene: Scene) -> None:
    scene.bench.fire()
    scene.bench.run(30)
    with scene.bench.journal.write() as tx:
        tx.connection.exec_driver_sql("DROP TRIGGER audit_no_UPDATE")
        tx.connection.exec_driver_sql("UPDATE audit SET actor = 'eve' WHERE seq = 2")
    scene.keep_house(1)


def prune_then_fail(scene: Scene) -> None:
    heal_one(scene.bench, "one")
    scene.bench.clock.advance(91 * DAY)
    scene.keep_house(200)
    heal_one(scene.bench, "one")
    scene.bench.clock.advance(91 * DAY)
    (scene.folder / "archive").rename(scene.folder / "elsewhere")
    (scene.folder / "archive").write_text("no folder")
    scene.keep_house()


def storm(scene: Scene) -> None:
    scene.bench.deliver(*(alert(starts=scene.bench.clock.now(), name=f"m{n}") for n in range(12)))
    scene.bench.turn()


def flap(scene: Scene) -> None:
    scene.bench.fire()
    scene.bench.turn()
    with scene.bench.journal.write() as tx:
        incidents.change(tx, incidents.search(tx)[0], evidence={FLAPPING: "since noon"})


def set_aside(scene: Scene) -> None:
    """A delivery that nobody can read, and a chat message that nobody takes."""
    scene.bench.fire()
    scene.bench.engine.tick()
    scene.bench.deliver(alert())
    with scene.bench.journal.write() as tx:
        tx.connection.execute(tables.inbox.update().values(state="failed"))
        tx.connection.execute(tables.outbox.update().values(state="failed"))


def cut_short(scene: Scene) -> None:
    scene.bench.telemetry.truncated(3)


#: Each story, and the metrics that it moves.
SCENES: dict[Callable[[Scene], None], tuple[str, ...]] = {
    refuse: ("config_reload_success",),
    reload: ("config_last_reload_timestamp_seconds",),
    lead: ("remediator_leader", "remediator_loop_timestamp_seconds"),
    grow_old: ("lease_age_seconds",),
    change_hands: ("lease_token",),
    break_it: ("remediator_alerts_taken", "incidents"),
    give_up: ("escalations_total",),
    stop: ("guard_blocks_total",),
    ask: ("approvals_pending",),
    deliver: ("inbox_pending", "inbox_oldest_age_seconds"),
    mute: ("outbox_pending", "outbox_oldest_age_seconds"),
    trip: ("breaker_state",),
    demote: ("playbook_mode",),
    heal_and_come_back: (
        "incidents_total",
        "actions_total",
        "time_to_act_seconds",
        "time_to_heal_seconds",
        "budget_left",
        "incident_recurrences_total",
        "audit_entries",
        "audit_signed_off_entries",
        "audit_signed_off_timestamp_seconds",
        "journal_size_bytes",
        "retention_last_success_timestamp_seconds",
    ),
    storm: ("storm",),
    flap: ("flapping_incidents",),
    set_aside: ("inbox_set_aside", "outbox_given_up"),
    cut_short: ("intake_truncated_alerts_total",),
    forge: ("audit_intact",),
    prune_then_fail: ("retention_pruned_total", "retention_success"),
}


def test_every_metric_has_its_story() -> None:
    told = [f"airwarden_{name}" for names in SCENES.values() for name in names]
    assert sorted(told) == sorted(set(SERVED) - CONSTANT)


@pytest.mark.parametrize("story", SCENES, ids=lambda story: story.__name__)
def test_it_moves_when_what_it_tells_of_happens(
    story: Callable[[Scene], None], scene: Scene
) -> None:
    if story not in (lead, change_hands):
        scene.bench.turn()
    before = scene.show()
    story(scene)
    after = scene.show()
    for name in SCENES[story]:
        mine = {key: value for key, value in after.items() if is_of(key[0], name)}
        assert mine, name
        assert any(before.get(key) != value for key, value in mine.items()), name
    for sample, labels in after:
        entry = metric(sample)
        assert {key for key, _ in labels} - {"le"} == {"cluster", *entry.labels}, sample


def is_of(sample: str, name: str) -> bool:
    return metric(sample).name == f"airwarden_{name}"


def test_a_standby_does_not_speak_for_the_journal(scene: Scene) -> None:
    shown = {name for name, _ in scene.show()}
    assert "airwarden_audit_intact" not in shown
    assert "airwarden_retention_success" not in shown
    assert "airwarden_inbox_pending" in shown


def test_what_is_left_to_people_without_a_run_counts_as_handed_over(scene: Scene) -> None:
    scene.bench.set_mode(Mode.OFF)
    scene.bench.turn()
    scene.show()
    scene.bench.fire()
    scene.bench.run(10)
    labels = {"cluster": "lab", "playbook": "machine-restart"}
    found = scene.bench.telemetry.registry.get_sample_value("airwarden_escalations_total", labels)
    assert found == 1


def test_counters_stand_at_0_before_their_first_event(scene: Scene) -> None:
    scene.show()
    labels = {"cluster": "lab", "playbook": "machine-restart"}
    registry = scene.bench.telemetry.registry
    for name in ("escalations", "incident_recurrences"):
        assert registry.get_sample_value(f"airwarden_{name}_total", labels) == 0
    truncated = "airwarden_intake_truncated_alerts_total"
    assert registry.get_sample_value(truncated, {"cluster": "lab"}) == 0
