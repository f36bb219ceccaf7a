"""`airwarden doctor` on promises about data: a name that Airflow does not know is told, not passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airwarden.cli.doctor.finding import Outcome
from airwarden.cli.doctor.promises import probe_promises, promised
from airwarden.core.settings import parse

CLUSTER = """\
clusters:
  - airflow: {url: "http://127.0.0.1:1", auth: {token_file: t}}
"""
SLAS = """\
slas:
  - {asset: orders, target: 1h}
  - {asset: "s3://lake/orders", target: 1h}
  - {asset: ordres, target: 1h}
  - {dag: nightly, target: 1d}
  - {dag: nightyl, target: 1d}
"""
THEN = datetime(2026, 1, 5, tzinfo=UTC)


class Airflow:
    """Answers as a metadata database with one asset and one DAG does."""

    def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        if query == "assets":
            return [{"name": "orders", "uri": "s3://lake/orders", "updated": THEN, "makers": []}]
        assert query == "last_successes", query
        return [
            {"dag_id": dag, "updated": THEN if dag == "nightly" else None}
            for dag in parameters["dags"]
        ]


def test_a_promise_of_what_is_not_there_is_told() -> None:
    settings = parse(CLUSTER + SLAS, source="airwarden.yaml", environ={})
    found = {one.subject: one for one in promised("default: slas", settings.slas, Airflow())}
    assert {name: one.outcome for name, one in found.items()} == {
        "orders": Outcome.OK,
        "s3://lake/orders": Outcome.OK,
        "ordres": Outcome.LIMITED,
        "nightly": Outcome.OK,
        "nightyl": Outcome.LIMITED,
    }
    assert "no asset of this name" in found["ordres"].sentence
    assert "dag_id" in found["nightyl"].mend


def test_without_promises_nothing_is_asked_and_without_an_answer_it_is_said() -> None:
    assert not list(probe_promises(parse(CLUSTER, source="airwarden.yaml", environ={})))
    settings = parse(CLUSTER + SLAS, source="airwarden.yaml", environ={})
    (found,) = probe_promises(settings)
    assert (found.system, found.outcome) == ("default: slas", Outcome.FAILED)
    assert found.sentence.startswith("not read: ")
