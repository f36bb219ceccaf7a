"""`airwarden doctor` on metrics that are mapped: do the site's series answer, with their labels?"""

from __future__ import annotations

import pytest

from airwarden.adapters.fakes import FakeClock, FakePrometheus
from airwarden.cli.doctor import mapped as doctor
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.doctor.mapped import probe_mapped
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.settings import Settings, parse

EXPR = "sum by (queue) (my_queue_consumers)"
TEXT = f"""\
clusters:
  - airflow: {{url: "http://127.0.0.1:1", auth: {{token_file: t}}}}
    mapped:
      - metric: airwarden_celery_queue_consumers
        expr: {EXPR}
"""


def settings(text: str = TEXT) -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


def examined(prometheus: FakePrometheus | None, text: str = TEXT) -> list[Finding]:
    return list(probe_mapped(settings(text), prometheus))


def test_a_mapping_that_answers_is_in_order() -> None:
    prometheus = FakePrometheus(FakeClock())
    prometheus.put(EXPR, 3, {"queue": "default"})
    (found,) = examined(prometheus)
    assert (found.outcome, found.sentence) == (Outcome.OK, "answers: 3")
    assert found.system == "default: mapped metrics"
    prometheus.put(EXPR, 1, {"queue": "gpu"})
    assert examined(prometheus)[0].sentence == "answers: 2 series"


def test_one_that_answers_nothing_names_the_series_that_are_missing() -> None:
    (found,) = examined(FakePrometheus(FakeClock()))
    assert found.outcome is Outcome.LIMITED
    assert "my_queue_consumers" in found.mend
    assert "clusters[0].mapped[0]" in found.mend


def test_a_series_without_its_label_and_far_too_many_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prometheus = FakePrometheus(FakeClock())
    prometheus.put(EXPR, 3)
    assert "lacks the label queue" in examined(prometheus)[0].sentence
    prometheus.clear(EXPR)
    for name in ("a", "b", "c"):
        prometheus.put(EXPR, 1, {"queue": name})
    assert examined(prometheus)[0].outcome is Outcome.OK
    monkeypatch.setattr(doctor, "MANY", 2)
    (found,) = examined(prometheus)
    assert (found.outcome, found.sentence) == (Outcome.LIMITED, "answers with 3 series")


def test_what_prometheus_refuses_or_does_not_answer_fails() -> None:
    prometheus = FakePrometheus(FakeClock())
    for error, mend in (
        (RejectedError("bad_data"), "change clusters[0].mapped[0]"),
        (UnavailableError("gone"), "check prometheus.url"),
    ):
        prometheus.break_with(error)
        (found,) = examined(prometheus)
        assert (found.outcome, found.mend) == (Outcome.FAILED, mend)


def test_without_a_prometheus_or_with_a_wrong_mapping_it_says_so() -> None:
    (found,) = examined(None)
    assert (found.outcome, found.mend) == (Outcome.LIMITED, "set prometheus.url")
    (found,) = examined(FakePrometheus(FakeClock()), TEXT.replace(EXPR, "sum(x)"))
    assert (found.outcome, found.subject) == (Outcome.FAILED, "clusters[0].mapped[0].expr")
    nothing = TEXT.partition("    mapped:")[0]
    assert examined(None, nothing) == []
