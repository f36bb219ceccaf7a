"""`workload.restart`: one roll-out for one plan, none in vain, and its end told with what holds it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock, FakeKubernetes
from airwarden.core.errors import ConflictError, UnavailableError, UnknownOutcomeError
from airwarden.core.kubernetes import Pod, Workload, WorkloadKind
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.process import ProcessRestart
from airwarden.remediation.actions.workload_restart import WorkloadRestart
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.pods import WorkloadRolledOut
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.operations import Operations
from airwarden.remediation.world import World
from support.engine import Bench, Make, alert, playbook
from support.small_world import SmallDatabase, SmallHost, StillClock, subject

ACTION, CHECK = WorkloadRestart(), WorkloadRolledOut()
NAME = "airflow-dag-processor"
LABELS = {"component": "dag-processor"}


@pytest.fixture
def kube() -> FakeKubernetes:
    made = FakeKubernetes()
    put(made, NAME, Component.DAG_PROCESSOR)
    return made


def put(kube: FakeKubernetes, name: str, component: Component, **more: Any) -> None:
    kube.kept[name] = Workload(
        WorkloadKind.DEPLOYMENT, name, f"uid-{name}", component, 2, ready=2, updated=2, total=2,
        generation=4, observed=4, **more,
    )  # fmt: skip


def now(kube: FakeKubernetes, **more: Any) -> None:
    kube.kept[NAME] = replace(kube.kept[NAME], **more)


def world(kube: FakeKubernetes, **more: Any) -> World:
    return World("lab", FakeClock(), kubernetes=kube, **more)


def plan(kube: FakeKubernetes, labels: Mapping[str, str] = LABELS) -> Plan | Nothing | Refused:
    return ACTION.plan(world(kube), subject(labels), {})


def planned(kube: FakeKubernetes) -> Effect:
    found = plan(kube)
    assert isinstance(found, Plan), found
    (effect,) = found.effects
    return effect


def test_a_plan_is_one_roll_out_however_often_it_is_done(kube: FakeKubernetes) -> None:
    effect = planned(kube)
    assert effect.target == f"lab/workload/{NAME}"
    assert effect.summary == f"roll the 2 pods of {NAME} over"
    assert planned(kube) == effect
    assert ACTION.read_back(world(kube), effect) is ReadBack.NOT_DONE

    kube.lose_next_request()
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(world(kube), effect)
    assert ACTION.read_back(world(kube), effect) is ReadBack.NOT_DONE
    kube.lose_next_reply()
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(world(kube), effect)
    assert ACTION.read_back(world(kube), effect) is ReadBack.DONE
    ACTION.apply(world(kube), effect)

    assert kube.effects == [("restart", NAME, effect.parameters["key"])]
    assert isinstance(ACTION.undo(world(kube), effect), Nothing)
    assert planned(kube).parameters["key"] != effect.parameters["key"]


@pytest.mark.parametrize(
    "change",
    [{"generation": 5, "wanted": 3}, {"restarted": "theirs", "generation": 5}, {"uid": "another"}],
    ids=["scaled", "restarted", "made anew"],
)
def test_what_somebody_else_changed_is_left_alone(
    kube: FakeKubernetes, change: Mapping[str, Any]
) -> None:
    effect = planned(kube)
    now(kube, **change)

    assert ACTION.read_back(world(kube), effect) is ReadBack.UNDECIDABLE
    with pytest.raises(ConflictError):
        ACTION.apply(world(kube), effect)
    assert kube.effects == []


def test_what_is_gone_is_left_alone(kube: FakeKubernetes) -> None:
    effect = planned(kube)
    del kube.kept[NAME]

    assert ACTION.read_back(world(kube), effect) is ReadBack.UNDECIDABLE
    with pytest.raises(ConflictError, match="gone"):
        ACTION.apply(world(kube), effect)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"paused": True}, "is paused"),
        ({"strategy": "Recreate"}, "all its pods at once"),
        ({"strategy": "OnDelete"}, "none of its pods"),
        ({"updated": 1, "total": 3}, "a roll-out is under way"),
        ({"observed": 3}, "a roll-out is under way"),
        ({"deadline_exceeded": True}, "a roll-out is under way"),
        ({"component": Component.WORKER}, "replaced one by one"),
    ],
)
def test_what_would_roll_nothing_or_too_much_is_refused(
    kube: FakeKubernetes, change: Mapping[str, Any], said: str
) -> None:
    now(kube, **change)
    refused = plan(kube, {"component": kube.kept[NAME].component.value})
    assert isinstance(refused, Refused)
    assert said in refused.reason


def test_a_slow_database_is_not_given_more_to_do(kube: FakeKubernetes) -> None:
    slow = world(kube, database=SmallDatabase(error=UnavailableError("no answer")))
    refused = ACTION.plan(slow, subject(LABELS), {})
    assert isinstance(refused, Refused)
    assert refused.cause == "metadata database slow"


def test_of_several_one_has_to_be_named(kube: FakeKubernetes) -> None:
    put(kube, "airflow-dag-processor-b", Component.DAG_PROCESSOR)
    refused = plan(kube)
    assert isinstance(refused, Refused)
    assert f"name {NAME}, airflow-dag-processor-b" in refused.reason
    assert isinstance(plan(kube, {"workload": NAME}), Plan)
    assert isinstance(plan(kube, {}), Refused)
    assert isinstance(plan(kube, {"workload": "odd"}), Refused)


def test_what_shall_have_no_pods_is_left_so(kube: FakeKubernetes) -> None:
    now(kube, wanted=0, ready=0, updated=0, total=0)
    assert isinstance(plan(kube), Nothing)


def test_the_end_of_a_roll_out_is_read_and_what_holds_it_up_is_named(kube: FakeKubernetes) -> None:
    def read(labels: Mapping[str, str] = LABELS) -> tuple[Verdict, str]:
        reading = CHECK.read(world(kube), subject(labels), {})
        return reading.verdict, reading.sentence

    assert read() == (Verdict.TRUE, f"{NAME} is rolled out: 2 of 2 ready")
    now(kube, generation=5)
    assert read()[0] is Verdict.FALSE
    now(kube, observed=5, updated=1, total=3)
    fresh = Pod("new", "u", Component.DAG_PROCESSOR, NAME, reason="ErrImagePull", message="no tag")
    kube.there = [replace(fresh, name="slow", reason="ContainerCreating", message=""), fresh]
    said = f"{NAME}: 1 of 2 updated, 2 ready, 2 old left; new: ErrImagePull; no tag"
    assert read() == (Verdict.FALSE, said)
    assert read({})[0] is Verdict.UNKNOWN
    kube.break_with(UnavailableError("no answer"))
    assert read()[0] is Verdict.UNKNOWN


class Stuck(FakeKubernetes):
    """Its new pods never come up."""

    def restart(self, workload: Workload, *, key: str, why: str) -> Workload:
        done = super().restart(workload, key=key, why=why)
        self.kept[done.name] = replace(done, updated=1, total=3)
        pod = Pod("new", "u", done.component, done.name, reason="CrashLoopBackOff")
        self.there.append(pod)
        return done


def ordered(make: Make, kube: FakeKubernetes) -> Bench:
    """Let an alert ask for a restart, and a person agree to it."""
    bench = asked(make, kube)
    agree(bench)
    return bench


def asked(make: Make, kube: FakeKubernetes) -> Bench:
    """Let an alert ask for a restart; a pod that is dead may be replaced without asking."""
    replaced = playbook(
        name="pod-replaced",
        alerts=[{"alertname": "PodDead"}],
        steps=[{"id": "restart", "action": "process.restart"}],
        verify={"check": "well", "within": "3m", "stable": "20s"},
        attempts=1,
    )
    book = playbook(
        name="roll-over",
        steps=[{"id": "restart", "action": "workload.restart"}],
        verify={"check": "workload-rolled-out", "within": "5m", "stable": "0s"},
        attempts=1,
    )
    bench = make(books=[book, replaced], more_actions=[ACTION, ProcessRestart()])
    bench.parts.checks["workload-rolled-out"] = CHECK  # type: ignore[index]
    bench.worlds["lab"] = replace(bench.worlds["lab"], kubernetes=kube)
    bench.machine.healthy = False
    one = alert(starts=bench.clock.now())
    one = replace(one, labels={**one.labels, "component": "dag-processor"})
    bench.alertmanager.shown.append(one)
    bench.deliver(one)
    bench.run(40)
    assert kube.effects == []
    return bench


def agree(bench: Bench) -> None:
    """Let a person agree to the roll-out."""
    hands = Operations(bench.parts, lambda: None)
    (number,) = (one.id for one in bench.incidents() if one.playbook == "roll-over")
    wanted = hands.incident(number).approval
    assert wanted is not None
    hands.decide(number, decision="approved", by="ada", reason="go on", nonce=wanted.nonce)


def test_a_person_agrees_first_and_the_roll_out_ends_it(make: Make, kube: FakeKubernetes) -> None:
    bench = ordered(make, kube)
    bench.run(60)
    bench.clear(bench.alertmanager.shown[0])
    bench.run(60)

    assert len(kube.effects) == 1
    assert bench.state() is IncidentState.RESOLVED


def test_a_roll_out_that_does_not_end_is_a_persons_with_the_pod_that_holds_it_up(
    make: Make,
) -> None:
    kube = Stuck()
    put(kube, NAME, Component.DAG_PROCESSOR)
    bench = ordered(make, kube)
    bench.run(10 * 60)

    assert len(kube.effects) == 1
    assert bench.state() is IncidentState.ESCALATED
    assert "new: CrashLoopBackOff" in bench.incident.reason


POD = f"{NAME}-a"


def with_a_dead_pod(bench: Bench) -> SmallHost:
    """Let a second playbook replace pods, and one be dead."""
    host = SmallHost(StillClock())
    dead = HostProcess(POD, Component.DAG_PROCESSOR, ProcessState.FATAL, unit=NAME)
    host.known = [dead]
    bench.worlds["lab"] = replace(bench.worlds["lab"], host=host)
    return host


def shout_of_the_pod(bench: Bench) -> None:
    one = alert("PodDead", name="pod", starts=bench.clock.now())
    one = replace(one, labels={**one.labels, "process": POD})
    bench.alertmanager.shown.append(one)
    bench.deliver(one)


def held(bench: Bench, name: str) -> bool:
    """Whether the guard has said that a sibling of this name is in repair."""
    told = f"Guard one-at-a-time: dag-processor {name} is in repair"
    return any(told in line for line in bench.story())


def test_a_pod_is_not_replaced_while_its_workload_is_rolled_over(make: Make) -> None:
    """They have different targets; what they exclude each other by is their component."""
    kube = Stuck()
    put(kube, NAME, Component.DAG_PROCESSOR)
    bench = ordered(make, kube)
    bench.run(30)
    assert len(kube.effects) == 1
    host = with_a_dead_pod(bench)
    shout_of_the_pod(bench)
    bench.run(120)
    assert host.calls == []
    assert held(bench, NAME)

    bench.run(5 * 60)
    assert host.calls[0] == ("start", POD)


def test_a_workload_is_not_rolled_over_while_a_pod_of_it_is_replaced(
    make: Make, kube: FakeKubernetes
) -> None:
    bench = asked(make, kube)
    host = with_a_dead_pod(bench)
    shout_of_the_pod(bench)
    bench.run(60)
    assert host.calls == [("start", POD)]
    agree(bench)
    bench.run(60)
    assert kube.effects == []
    assert held(bench, POD)
