"""Under load nothing is lost and nobody waits, on either journal; at three times what is promised.

`make bench` measures the promises themselves (`tests/bench/intake.py`); here the machine may be busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal import alerts as journal_alerts
from airwarden.remediation.storms import is_storm
from support.engine import Bench, alert, playbook
from support.eventually import eventually
from support.load import Loaded, alerts, bodies, post_at

#: The promises are 250 ms for 99 of 100, at 200 a second, and 10,000 alerts in 10 s.
SLACK = 3


@pytest.fixture
def loaded(tmp_path: Path, journal_url: str) -> Iterator[Loaded]:
    made = Loaded(tmp_path, journal_url)
    yield made
    made.stop()


def test_nobody_waits_for_an_acknowledgement_and_a_storm_is_taken(loaded: Loaded) -> None:
    posts = bodies(alerts(400, prefix="ack"), each=1)
    answers = post_at(loaded.port, posts, per_second=200 / SLACK)
    assert answers.accepted == len(posts)
    assert answers.percentile(0.99) < 0.250 * SLACK
    storm = bodies(alerts(10_000 // SLACK, prefix="storm"), each=500)
    assert post_at(loaded.port, storm, per_second=100).accepted == len(storm)
    eventually(
        lambda: loaded.taken("storm") == 10_000 // SLACK, within=10 * SLACK, what="all are taken"
    )
    assert loaded.taken("ack") == len(posts)
    # The ten playbooks' storms lie within the cluster's.
    assert loaded.pages() <= 1 + 10


# --- with virtual time, on either journal ---------------------------------------------------------


@pytest.fixture
def bench(journal_url: str) -> Iterator[Bench]:
    books = [playbook(name=f"book-{n}", alerts=[{"alertname": f"Fault{n}"}]) for n in range(10)]
    made = Bench(journal_url, books=books, mode=Mode.AUTO)
    yield made
    made.close()


def many_incidents(bench: Bench, each: int) -> None:
    bench.machine.healthy = False
    fired = [
        alert(f"Fault{n % 10}", name=f"m{n}", starts=bench.clock.now()) for n in range(10 * each)
    ]
    for start in range(0, len(fired), 1000):
        bench.deliver(*fired[start : start + 1000])
    bench.run(20)
    with bench.journal.read() as tx:
        counts = journal_alerts.firing_counts(tx)
    assert sum(counts.values()) == 10 * each
    everyone = bench.incidents()
    assert len([one for one in everyone if not is_storm(one)]) == 50
    assert len([one for one in everyone if is_storm(one)]) == 11
    assert len({event.dedup_key for event in bench.paged()}) == 1
    assert bench.machine.restarts == 0


@pytest.mark.reliability
@pytest.mark.timeout(1200)
def test_a_thousand_incidents_of_each_of_ten_playbooks(bench: Bench) -> None:
    many_incidents(bench, each=1000)


def same_alert(bench: Bench, times: int) -> None:
    bench.machine.healthy = False
    one = alert("Fault0", starts=bench.clock.now())
    bench.alertmanager.shown.append(one)
    for start in range(0, times, 500):
        bench.deliver(*[one] * min(500, times - start))
        bench.turn()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert len(bench.incidents()) == 1


def test_the_same_alert_many_times_is_one_incident(bench: Bench) -> None:
    same_alert(bench, times=500)


@pytest.mark.reliability
def test_the_same_alert_ten_thousand_times_is_one_incident(bench: Bench) -> None:
    same_alert(bench, times=10_000)
