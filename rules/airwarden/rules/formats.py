"""The rules as other systems take them: the Prometheus Operator, Mimir and Cortex, Thanos, VictoriaMetrics.

All of them evaluate the same groups; they differ in what stands around these.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from airwarden.rules.model import Rules
from airwarden.rules.render_operator import LABELS, in_namespace
from airwarden.rules.render_prometheus import rule_files, rule_groups
from airwarden.rules.yaml_text import dump


class RuleFormat(StrEnum):
    """Who is to evaluate the rules."""

    PROMETHEUS = "prometheus"
    OPERATOR = "operator"
    MIMIR = "mimir"
    CORTEX = "cortex"
    THANOS = "thanos"
    VICTORIAMETRICS = "victoriametrics"


#: The namespace of the rule groups in a ruler with several tenants, and in Kubernetes.
NAMESPACE = "airwarden"


def formatted(rules: Rules, wanted: RuleFormat) -> Mapping[str, str]:
    """Return relative path → content of the rules for one of them.

    Args:
        rules: The installation's.
        wanted: Who evaluates them.
    """
    if wanted is RuleFormat.PROMETHEUS:
        return {f"prometheus/rules/{name}": text for name, text in rule_files(rules).items()}
    groups = rule_groups(rules)
    if wanted is RuleFormat.OPERATOR:
        return {
            f"prometheus-operator/{_object_name(group)}.yaml": dump(_prometheus_rule(group))
            for group in (in_namespace(one, NAMESPACE) for one in groups)
        }
    if wanted in (RuleFormat.MIMIR, RuleFormat.CORTEX):
        document = {"namespace": NAMESPACE, "groups": groups}
        return {f"{wanted}/{NAMESPACE}.yaml": dump(document)}
    if wanted is RuleFormat.THANOS:
        # An alert on half of the stores is better than none: a store that is gone is seen elsewhere.
        groups = [{**group, "partial_response_strategy": "warn"} for group in groups]
        return {f"thanos/{group['name']}.yml": dump({"groups": [group]}) for group in groups}
    groups = [{**group, "type": "prometheus"} for group in groups]
    return {f"victoriametrics/{group['name']}.yml": dump({"groups": [group]}) for group in groups}


def _object_name(group: Mapping[str, Any]) -> str:
    """Return a name that Kubernetes takes."""
    return str(group["name"]).replace("_", "-")


def _prometheus_rule(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": _object_name(group),
            "namespace": NAMESPACE,
            "labels": {**LABELS, "role": "alert-rules"},
        },
        "spec": {"groups": [group]},
    }
