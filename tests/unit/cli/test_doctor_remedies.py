"""`doctor` says which playbooks could act on a cluster, and which would only page, and for want of what."""

from __future__ import annotations

import pytest

from airwarden.cli.doctor.finding import Outcome
from airwarden.cli.doctor.remedies import available, probe_remedies
from airwarden.core.settings import Settings, parse
from airwarden.remediation.actions.registry import actions

BARE = """
clusters:
  - airflow: {url: "http://127.0.0.1:8080", auth: {username: svc, password_env: PW}}
"""
WHOLE = (
    BARE
    + """
    metadata_database: {dsn_env: DSN, terminator_dsn_env: DSN}
    broker: {url: "redis://127.0.0.1:6379/0"}
    host:
      supervisord: {url: "http://127.0.0.1:9001/RPC2", programs: {scheduler: [scheduler]}}
remediator: {mode: auto}
prometheus: {url: "http://127.0.0.1:9090"}
playbooks: {scheduler-restart: {mode: approve}}
"""
)


def settings(text: str) -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


def test_a_managed_airflow_gets_pages_and_what_the_api_alone_allows() -> None:
    found = {one.subject: one for one in probe_remedies(settings(BARE))}
    restart = found["scheduler-restart"]
    assert restart.outcome is Outcome.OFF
    assert restart.sentence == "a page with the diagnosis: process.restart needs host"
    assert restart.mend == "clusters[].host"
    assert "needs database, session_ender" in found["database-session"].sentence
    assert found["pool-starving"].outcome is Outcome.OK
    assert "human-only" not in found


def test_where_everything_is_there_everything_could_act() -> None:
    found = list(probe_remedies(settings(WHOLE)))
    assert {one.outcome for one in found} == {Outcome.OK}
    sentences = {one.subject: one.sentence for one in found}
    assert sentences["scheduler-restart"] == "could act, danger B; mode approve"
    without = "could act, danger B; mode shadow; without replicas.add, which needs kubernetes"
    assert sentences["api-server-down"] == without
    assert sentences["worker-silent"] == "could act, danger B; mode shadow"


def test_every_need_of_an_action_is_known_and_has_its_setting() -> None:
    bare = settings(BARE)
    there = available(bare, bare.clusters[0])
    needs = {need for action in actions().values() for need in action.needs}
    assert needs <= there.keys()
    found = [one for one in probe_remedies(bare) if one.outcome is Outcome.OFF]
    assert found
    assert all(one.mend for one in found)


@pytest.mark.parametrize("text", [BARE, WHOLE])
def test_every_playbook_that_acts_has_its_line(text: str) -> None:
    names = [one.subject for one in probe_remedies(settings(text))]
    assert len(names) == len(set(names)) == 15
