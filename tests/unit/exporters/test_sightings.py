"""Label values come and go: what vanished is dropped after a while, and makes room."""

from __future__ import annotations

from airwarden.adapters.fakes import FakeClock, FakeStatsd, FakeWorkers
from airwarden.adapters.statsd import parse
from airwarden.exporters.collectors.statsd import MAX_VALUES, StatsdCollector
from airwarden.exporters.collectors.workers import REMEMBER, WorkersCollector
from airwarden.exporters.families import OVERFLOW
from airwarden.exporters.sightings import DAY, HOUR, Sightings
from support.families import every


def test_a_value_stays_while_it_is_seen_and_gives_its_place_to_a_new_one() -> None:
    clock = FakeClock()
    queues = Sightings(clock, keep=10, most=2, always=("default",))
    assert [queues.place(name) for name in ("a", "b", "c", "default")] == [
        "a",
        "b",
        OVERFLOW,
        "default",
    ]
    clock.advance(6)
    queues.note(["a"])
    clock.advance(6)
    assert queues.seen() == {"a", "default"}
    assert queues.place("c") == "c"
    assert queues.place("d") == OVERFLOW


def test_a_queue_that_lost_its_consumers_is_at_0_for_a_day_and_a_configured_one_for_ever() -> None:
    clock, workers = FakeClock(), FakeWorkers()
    workers.put("worker@a", queues=("gpu",))
    collector = WorkersCollector(workers, clock, queues=("default",))
    name = "celery_queue_consumers"
    assert every(collector.collect(), name) == {("default",): 0, ("gpu",): 1}
    workers.remove("worker@a")
    clock.advance(DAY)
    assert every(collector.collect(), name) == {("default",): 0, ("gpu",): 0}
    clock.advance(1)
    families = collector.collect()
    assert every(families, name) == {("default",): 0}
    assert REMEMBER < DAY
    assert every(families, "celery_worker_up") == {}


def test_senders_that_come_and_go_find_room() -> None:
    clock, statsd = FakeClock(), FakeStatsd()
    collector = StatsdCollector(statsd, clock)

    def report(sender: str) -> None:
        for line in (
            "scheduler.scheduler_loop_duration:80|ms",
            "scheduler.critical_section_busy:1|c",
        ):
            sample = parse(line, sender)
            assert sample is not None
            statsd.put(sample)

    loops = "scheduler_loop_duration_seconds"
    for number in range(MAX_VALUES + 1):
        report(f"10.0.0.{number}")
    families = collector.collect()
    assert every(families, loops)[(OVERFLOW,)] == 1
    clock.advance(HOUR + 1)
    report("10.0.1.1")
    families = collector.collect()
    assert every(families, loops) == {(OVERFLOW,): 1, ("10.0.1.1",): 1}
    assert every(families, "scheduler_critical_section_busy_total") == {
        (OVERFLOW,): 1,
        ("10.0.1.1",): 1,
    }
