"""Metrics from the site's own series: what is refused and how, and what the rules become."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import CATALOGUE, metric
from airwarden.core.settings.mapped import Mapped
from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from airwarden.rules.findings import FindingSeverity
from airwarden.rules.lint import lint
from airwarden.rules.mapping import MappedRule, mapped_rules
from airwarden.rules.presets import presets
from airwarden.rules.series_labels import parsed, result_labels

QUEUE = "airwarden_celery_queue_consumers"
RATIO = "airwarden_cluster_utilization_ratio"


def rules(*entries: dict[str, Any]) -> tuple[MappedRule, ...]:
    return mapped_rules("east", [Mapped(**entry) for entry in entries], "clusters[0].mapped")


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum by (a, b) (x)", {"a", "b"}),
        ("sum(x)", set()),
        ("max without (b) (sum by (a, b) (x))", {"a"}),
        ("max without (b) (x)", None),
        ("(sum by (a) (rate(x[5m])))", {"a"}),
        ("-sum by (a) (x)", {"a"}),
        ("x", None),
        ("rate(x[5m])", None),
        ("1", set()),
        ("vector(1)", set()),
        ("time() - max by (a) (x)", {"a"}),
        ("sum by (a) (x) / 100", {"a"}),
        ("100 * sum by (a) (x) > 5", {"a"}),
        ("sum by (a) (x) / sum by (a) (y)", {"a"}),
        ("sum by (a) (x) / sum by (b) (y)", None),
        ("sum by (a, b) (x) / on (a) sum by (a) (y)", {"a"}),
        ("sum by (a, b) (x) / ignoring (b) sum by (a) (y)", {"a"}),
        ("sum by (a, b) (x) / on (a) group_left sum by (a) (y)", {"a", "b"}),
        ("sum by (a, b) (x) * on (a) group_left (c) max by (a, c) (y)", {"a", "b", "c"}),
        ("sum by (a) (x) * on (a) group_right max by (a, c) (y)", {"a", "c"}),
        ("x * on (a) group_left y", None),
        ("sum by (a) (x) and on (a) y", {"a"}),
        ("sum by (a) (x) unless y", {"a"}),
        ("sum by (a) (x) or sum by (a) (y)", {"a"}),
        ("sum by (a) (x) or sum by (b) (y)", None),
        ('label_replace(sum by (a) (x), "b", "v", "", "")', {"a", "b"}),
        ('label_join(sum(x), "b", "-", "a")', {"b"}),
        ('label_replace(x, "b", "v", "", "")', None),
        ("topk(3, sum by (a) (x))", {"a"}),
        ("topk(3, x)", None),
        ('count_values("v", x)', {"v"}),
        ("histogram_quantile(0.9, sum by (le, a) (rate(x_bucket[5m])))", {"a"}),
        ("clamp_min(sum by (a) (x), 0)", {"a"}),
        ("absent(x)", None),
        ("quantile by (a) (0.5, x)", {"a"}),
        ("sum by (a) (x) + scalar(sum(y))", {"a"}),
    ],
)
def test_the_labels_of_a_result_are_known_where_the_expression_says_them(
    expression: str, labels: set[str] | None
) -> None:
    assert result_labels(parsed(expression, "here")) == labels


WRONG = [
    ({"metric": "airwarden_db_upp", "expr": "sum(x)"}, "metric", "did you mean airwarden_db_up?"),
    ({"metric": "airwarden_build_info", "expr": "sum(x)"}, "metric", "leave it out"),
    ({"metric": "airwarden_events_total", "expr": "sum(x)"}, "metric", "leave it out"),
    ({"metric": "airwarden_db_up", "expr": "sum((x)"}, "expr", "try it in Prometheus"),
    ({"metric": "airwarden_db_up", "expr": ""}, "expr", "try it in Prometheus"),
    ({"metric": QUEUE, "expr": "my_queue"}, "expr", "sum by (queue) (…)"),
    ({"metric": QUEUE, "expr": "sum(my_queue)"}, "expr", "sum by (queue) (…)"),
    ({"metric": QUEUE, "expr": "sum by (queue, pod) (x)"}, "expr", "sum by (queue) (…)"),
    ({"metric": QUEUE, "expr": "sum by (queue, cluster) (x)"}, "expr", "sum by (queue) (…)"),
    ({"metric": QUEUE, "expr": "sum(x)", "labels": {"pod": "a"}}, "labels.pod", "it has queue"),
    (
        {"metric": "airwarden_dag_run_duration_seconds", "expr": "sum(x)"},
        "metric",
        "airwarden_dag_run_duration_seconds_bucket",
    ),
    ({"preset": "redis_exporter"}, "preset", "did you mean redis-exporter?"),
    ({"preset": "nothing of the kind"}, "preset", "redis-exporter"),
    ({"preset": "redis-exporter", "where": 'job="a"} or x{b="c"'}, "where", "namespace="),
    ({"preset": "redis-exporter", "where": "job=a"}, "where", ""),
    ({"preset": "redis-exporter", "where": 'a="b" or c="d"'}, "where", "namespace="),
    (
        {"preset": "postgres-exporter", "parameters": {"db": "x"}},
        "parameters.db",
        "it has database",
    ),
    ({"preset": "redis-exporter", "without": ["airwarden_db_up"]}, "without[0]", "it gives"),
]


@pytest.mark.parametrize(("entry", "key", "mend"), WRONG, ids=lambda value: str(value)[:70])
def test_what_cannot_be_mapped_is_refused_with_key_and_mend(
    entry: dict[str, Any], key: str, mend: str
) -> None:
    with pytest.raises(WrongInputError) as caught:
        rules({"preset": "dcgm-exporter"}, entry)
    assert caught.value.place == f"clusters[0].mapped[1].{key}"
    assert mend in caught.value.hint


def test_one_metric_may_come_from_two_places_only_with_different_labels() -> None:
    cpu = {"metric": RATIO, "expr": "avg(x)", "labels": {"resource": "cpu"}}
    disk = {"metric": RATIO, "expr": "avg(x)", "labels": {"resource": "disk"}}
    assert len(rules(cpu, disk)) == 2
    for again in (
        cpu,
        {"metric": RATIO, "expr": "avg by (resource) (x)"},
        {"preset": "node-exporter"},
    ):
        with pytest.raises(WrongInputError, match="mapped twice") as caught:
            rules(cpu, again)
        assert caught.value.place == "clusters[0].mapped[1]"
    assert rules(cpu, {"preset": "node-exporter", "without": [RATIO]})


def test_a_histogram_is_mapped_whole_or_not() -> None:
    name = "airwarden_task_queue_wait_seconds"
    parts = [
        {"metric": f"{name}_bucket", "expr": "sum by (queue, le) (x)"},
        {"metric": f"{name}_sum", "expr": "sum by (queue) (x)"},
        {"metric": f"{name}_count", "expr": "sum by (queue) (x)"},
    ]
    assert {rule.metric for rule in rules(*parts)} == {name}
    with pytest.raises(WrongInputError, match="in part"):
        rules(*parts[:2])


@pytest.mark.parametrize("name", presets())
def test_every_preset_gives_metrics_of_the_catalogue_with_their_labels(name: str) -> None:
    preset = presets()[name]
    plain = rules({"preset": name})
    chosen = rules({"preset": name, "where": ' namespace="airflow", job=~"a|b", '})
    assert len(plain) == len(chosen) == len(preset.metrics) > 1
    for rule in chosen:
        assert rule.metric in CATALOGUE
        assert 'namespace="airflow"' in rule.expr
        assert "<<" not in rule.expr
    assert preset.about.endswith(".")


def test_a_parameter_cannot_leave_its_string() -> None:
    (rule, *_) = rules({"preset": "postgres-exporter", "parameters": {"database": 'a"} or x{b="'}})
    assert r'datname="a\"} or x{b=\""' in rule.expr


def test_the_rules_carry_cluster_and_fixed_labels_and_pass_the_lint() -> None:
    mapped = rules({"preset": "node-exporter"}, {"metric": QUEUE, "expr": "sum by (queue) (q)"})
    config = RuleConfig(clusters=("east",), mapped=mapped)
    (group,) = yaml.safe_load(build(config)["prometheus/rules/airwarden-mapped.yml"])["groups"]
    assert group["name"] == "airwarden-mapped-east"
    assert group["rules"][0]["labels"] == {"cluster": "east", "resource": "cpu"}
    assert group["rules"][-1] == {
        "record": QUEUE,
        "expr": "sum by (queue) (q)",
        "labels": {"cluster": "east"},
    }
    assert not [
        one for one in lint(config, CATALOGUE.values()) if one.severity is FindingSeverity.ERROR
    ]
    assert "airwarden-mapped.yml" not in str(build(RuleConfig()).keys())
    files = yaml.safe_load(build(config)["prometheus/rules/airwarden-airwarden.yml"])["groups"]
    answers = [
        r for g in files for r in g["rules"] if r.get("record") == "airwarden:mapped:answers"
    ]
    assert answers[-1] == {
        "record": "airwarden:mapped:answers",
        "expr": f'count({QUEUE}{{cluster="east"}})',
        "labels": {"cluster": "east", "metric": QUEUE},
    }
    assert len({rule["labels"]["metric"] for rule in answers}) == len(answers)
    assert metric(group["rules"][0]["record"])
