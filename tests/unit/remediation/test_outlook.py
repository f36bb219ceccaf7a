"""What messages say is still to come, each with its time; and who is affected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Sample
from airwarden.remediation import records
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.impact import Impact
from airwarden.remediation.journal import incidents
from airwarden.remediation.world import World
from support.engine import START, Bench, Make, VirtualClock
from support.views import alert_view, incident_view


def view(bench: Bench) -> IncidentView:
    with bench.journal.read() as tx:
        return records.view(tx, incidents.get(tx, 1))


def ahead(bench: Bench) -> dict[str, int | None]:
    """Return what is to come → seconds after the alert."""
    return {
        one.sentence: None if one.at is None else round((one.at - START).total_seconds())
        for one in view(bench).ahead
    }


PAGED = "a person is paged, unless it is healed by then"


def test_a_remedy_tells_its_next_step_and_when_a_person_is_called(make: Make) -> None:
    bench = make()
    bench.machine.heals = False
    bench.fire()
    bench.turn()
    told = ahead(bench)
    confirming = "it reads again whether the fault is there, then do machine.restart (restart)"
    assert 0 < (told[confirming] or 0) <= 10
    assert told[PAGED] == 300
    bench.run(40)
    assert bench.machine.restarts == 1
    (verifying,) = [at for said, at in ahead(bench).items() if said.startswith("by then it has")]
    assert 60 < (verifying or 0) <= 110
    bench.machine.healthy = True
    bench.run(10)
    (stable,) = [at for said, at in ahead(bench).items() if "stayed healthy" in said]
    assert 40 < (stable or 0) < 90
    bench.run(60)
    assert view(bench).state is IncidentState.RESOLVED
    assert ahead(bench) == {}


def test_a_plan_that_waits_tells_until_when(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(60)
    asked = view(bench).approval
    assert asked is not None
    until = round((asked.expires_at - START).total_seconds())
    assert ahead(bench)["without a yes by then nothing is done, and a person is called"] == until


def test_what_people_own_is_left_to_them(make: Make) -> None:
    bench = make()
    bench.machine.refuse = "it must not"
    bench.fire()
    bench.run(900)
    assert view(bench).state is IncidentState.ESCALATED
    (said,) = ahead(bench)
    assert said.startswith("nothing more is done by itself")


def test_the_message_has_a_thread_that_tells_each_line_once(make: Make) -> None:
    bench = make()
    bench.fire()
    bench.run(120)
    told = "\n".join(text for _, text in bench.recorder.replies)
    story = [entry.sentence for entry in view(bench).timeline]
    assert len(story) > 4
    assert [told.count(line) for line in story] == [1] * len(story)
    assert {reference for reference, _ in bench.recorder.replies} == {"ts-1"}
    assert len(bench.recorder.messages) == 1


# --- who is affected ------------------------------------------------------------------------------


class Numbers:
    def __init__(self, answers: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.down = False

    def query(self, expression: str) -> Sequence[Sample]:
        self.asked.append(expression)
        if self.down:
            raise UnavailableError("prometheus: connection refused")
        for part, rows in self.answers.items():
            if part in expression:
                return [Sample({"tier": tier} if tier else {}, value, 0.0) for tier, value in rows]
        return []


NUMBERS = {
    "airwarden_dag_runs_overdue": [("standard", 2.0), ("critical", 1.0)],
    "airwarden_dag_runs{": [("standard", 400.0), ("gold", 1.0)],
    "airwarden_dags{": [("", 14812.0)],
    "airwarden_task_instances{": [("", 93.0)],
}


def impact(numbers: Numbers) -> Impact:
    world = World("lab", VirtualClock(), prometheus=numbers)
    return Impact(lambda: {"lab": world}, InlineCalls())


def incident(**labels: str) -> IncidentView:
    alert = alert_view(labels={"cluster": "lab", **labels})
    return incident_view(cluster="lab", labels=alert.labels, alerts=(alert,))


def test_a_platforms_fault_tells_the_dags_and_their_runs_by_tier() -> None:
    numbers = Numbers(NUMBERS)
    assert impact(numbers).measured(incident()).affected == (
        "up to 14,812 active DAGs",
        "late already: 3 DAG runs (1 critical, 2 standard)",
        "open: 401 DAG runs (400 standard, 1 gold)",
    )
    assert all('cluster="lab"' in one for one in numbers.asked)


def test_a_queues_fault_tells_its_tasks_and_a_teams_only_theirs() -> None:
    numbers = Numbers(NUMBERS)
    found = impact(numbers).measured(incident(queue='a"b', team="growth")).affected
    assert found[0] == '93 unfinished tasks of queue a"b'
    assert not any("active DAGs" in line for line in found)
    assert any('team="growth"' in one for one in numbers.asked)
    assert any('queue="a\\"b"' in one for one in numbers.asked)


def test_alerts_that_name_dags_need_no_question() -> None:
    numbers = Numbers({})
    view = incident(dag_id="billing", tier="critical")
    two = replace(view, alerts=(*view.alerts, *incident(dag_id="etl").alerts))
    assert impact(numbers).measured(two).affected == (
        "2 DAGs (1 critical, 1 no tier): billing, etl",
    )
    assert numbers.asked == []


def test_what_cannot_be_read_delays_nothing_and_what_is_over_keeps_what_it_was() -> None:
    numbers = Numbers(NUMBERS)
    measure = impact(numbers)
    before = measure.measured(incident()).affected
    numbers.down = True
    assert measure.measured(incident()).affected == before
    over = replace(incident(), state=IncidentState.RESOLVED)
    assert measure.measured(over).affected == before
    other = replace(incident(), dedup_key="other")
    assert measure.measured(other).affected == ()
