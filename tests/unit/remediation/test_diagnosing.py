"""Whoever is called hears what was read: once, in the page, with the likely cause, and never at its cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.core.platform import Pool, TaskKey
from airwarden.remediation import diagnosing
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.explain import explain
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.playbooks_loader import load_playbooks
from support.platform_bench import PlatformBench

pytestmark = pytest.mark.thorough


@pytest.fixture
def platform(memory_path: Path) -> Iterator[PlatformBench]:
    bench = PlatformBench(memory_path)
    bench.run(60)
    yield bench
    bench.close()


def stall(bench: PlatformBench) -> None:
    bench.shout("AirflowSchedulerStalled", summary="Nothing is scheduled although 12 tasks wait")


def fill(bench: PlatformBench) -> None:
    bench.airflow.put_pool(Pool("etl", 1))
    for number in range(3):
        key = TaskKey("orders", f"run_{number}", "load")
        bench.airflow.put_task(key, "scheduled" if number else "running", pool="etl")


def test_the_page_of_a_stall_names_the_full_pool(platform: PlatformBench) -> None:
    fill(platform)
    stall(platform)
    platform.run(400)
    (page,) = platform.paged()
    assert "full pools: etl (1 slot, 2 wait)" in page.summary
    assert page.details["evidence: task held back"].startswith(
        "orders.load has waited longest of 2: Pool"
    )
    assert platform.attempts() == []
    told = explain(platform.journal, platform.incidents()[0].id).text()
    assert "The likely cause: full pools: etl (1 slot, 2 wait)." in told
    assert told.count("Read for whoever is called") == 1


def test_where_nothing_is_wrong_that_is_said_and_no_cause_is_made_up(
    platform: PlatformBench,
) -> None:
    platform.airflow.put_task(TaskKey("orders", "run", "load"), "scheduled")
    stall(platform)
    platform.run(400)
    one = platform.incidents()[0]
    assert one.cause == ""
    assert "no cause found there" in explain(platform.journal, one.id).text()


def test_it_is_read_for_the_alerts_that_it_is_meant_for(platform: PlatformBench) -> None:
    platform.shout("AirflowTriggersWaiting", severity="warning", queue="default")
    platform.shout("AirflowQueueDrift", severity="warning", queue="default")
    platform.run(60)
    read = {one.labels["alertname"]: set(one.evidence) for one in platform.incidents()}
    assert read == {"AirflowTriggersWaiting": {"deferred stuck"}, "AirflowQueueDrift": set()}


def test_an_overloaded_api_server_is_not_restarted_and_its_pace_is_read(
    platform: PlatformBench,
) -> None:
    platform.airflow.break_with(UnavailableError("timed out"))
    platform.shout("AirflowApiServerDown", component="api-server", process="api_server")
    platform.run(600)
    one = platform.incidents()[0]
    assert platform.attempts() == []
    assert "does not come" in one.evidence["api server slow"]


def test_a_page_does_not_wait_for_long(
    platform: PlatformBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosing, "diagnose", lambda *_: None)
    fill(platform)
    stall(platform)
    platform.run(55)
    assert platform.paged() == []
    platform.run(50)
    assert len(platform.paged()) == 1


def test_a_diagnosis_names_checks_and_alerts_that_there_are(tmp_path: Path) -> None:
    text = (
        "name: mine\ntitle: t\ndescription: d\nalerts: [{alertname: A}]\nhuman-only: because\n"
        "diagnosis: [{check: %s, alerts: [%s]}]\n"
    )
    for check, alert, said in (
        ("nobody", "A", "nobody"),
        ("pools-full", "B", "none of its alerts"),
    ):
        (tmp_path / "mine.yaml").write_text(text % (check, alert))
        with pytest.raises(WrongInputError, match=said):
            load_playbooks(actions=actions().keys(), checks=checks().keys(), folder=tmp_path)


def test_an_earlier_version_beside_this_one_reads_the_pinned_playbook() -> None:
    book = Playbook.model_validate(
        {
            "name": "mine", "title": "t", "description": "d", "alerts": [{"alertname": "A"}],
            "human-only": "because", "diagnosis": [{"check": "pools-full"}],
        }
    )  # fmt: skip
    assert "diagnosis" not in book.body
