"""Findings about a set of rules that Prometheus itself would not name.

Checks return data; the command line prints it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from airwarden.core.metrics import CATALOGUE as METRICS
from airwarden.core.metrics import Metric, MetricType
from airwarden.rules import portability, runbook
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.findings import Finding, FindingSeverity
from airwarden.rules.lint_limits import lint_limits
from airwarden.rules.render_prometheus import MAPPED_FILE, rule_files

#: Series that Prometheus makes by itself.
_BUILT_IN = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})
_ANNOTATIONS = ("summary", "description", "runbook_url", "dashboard_url")
_LABELS = ("severity", "component")
_LABEL_IN_TEMPLATE = re.compile(r"\$labels\.(\w+)")
_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


def lint(config: RuleConfig, catalogue: Collection[Metric]) -> tuple[Finding, ...]:
    """Return what is wrong with the rules and the routing of an installation.

    Args:
        config: The installation.
        catalogue: The metrics that exporters may emit.

    Raises:
        WrongInputError: The overrides do not fit the alerts.
    """
    rules = resolve(config)
    # What is mapped is over the site's series, and was checked when it was made.
    files = {n: text for n, text in rule_files(rules).items() if n != MAPPED_FILE}
    return (*lint_rules(files, catalogue), *lint_limits(rules), *lint_routes(config))


def lint_rules(
    files: Mapping[str, str], catalogue: Collection[Metric], *, ours: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return what is wrong with rule files (name → YAML text).

    Args:
        files: Name → YAML text.
        catalogue: The metrics that are emitted.
        ours: Series that our generated rules record, where `files` are an operator's: they may then
            select what others emit, and need no runbook of ours.
    """
    known = {metric.name: metric for metric in catalogue}
    findings: list[Finding] = []
    rules = [*_rules(files, findings)]
    recorded = {*ours, *(str(rule["record"]) for _, rule in rules if "record" in rule)}
    for place, rule in rules:
        findings += _expression(place, str(rule["expr"]), known, recorded, foreign=bool(ours))
        if "alert" in rule:
            findings += _cardinality(place, rule)
            findings += _own_alert(place, rule) if ours else _alert(place, rule)
    return tuple(findings)


def _rules(
    files: Mapping[str, str], findings: list[Finding]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield place and body of every rule; what is none becomes a finding."""
    for name, text in files.items():
        try:
            groups = [
                (str(group.get("name", "")), group, [dict(rule) for rule in group["rules"]])
                for group in yaml.safe_load(text)["groups"]
            ]
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
            hint = "promtool check rules names the line"
            findings.append(Finding(name, FindingSeverity.ERROR, "is no rule file", hint))
            continue
        for title, group, rules in groups:
            findings += portability.group(f"{name}: {title}", group)
            for rule in rules:
                place = f"{name}: {rule.get('alert') or rule.get('record') or title}"
                if message := _malformed(rule):
                    findings.append(Finding(place, FindingSeverity.ERROR, message))
                else:
                    yield place, rule


def _malformed(rule: Mapping[str, Any]) -> str:
    """Return why a rule is none, empty where it is one."""
    if rule.get("expr") in (None, "") or ("alert" in rule) == ("record" in rule):
        return "a rule needs expr, and either alert or record"
    wrong = (k for k in ("labels", "annotations") if not isinstance(rule.get(k) or {}, Mapping))
    return next((f"{key} are names with values" for key in wrong), "")


def lint_routes(config: RuleConfig) -> tuple[Finding, ...]:
    """Return which alerts of an installation would reach nobody."""
    findings = []

    def missing(key: str, message: str, hint: str) -> None:
        findings.append(Finding(key, FindingSeverity.WARNING, message, hint))

    if config.pagerduty is None:
        missing(
            "notifications.pagerduty",
            "nobody is paged when Airwarden itself fails",
            "give a routing key file",
        )
    if config.slack is None:
        missing("notifications.slack", "nobody is told of warnings", "give a webhook or token file")
    if not config.heartbeat_url:
        missing(
            "notifications.heartbeat",
            "nobody notices when Prometheus or Alertmanager dies",
            "give the URL of a dead man's switch for Watchdog",
        )
    if config.remediator and not config.remediator.webhook_token_file:
        missing(
            "remediator.webhook_token_file",
            "Alertmanager sends no token, and the remediator refuses alerts without one",
            "give the file with the intake's token",
        )
    return tuple(findings)


def _alert(place: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    labels, annotations = rule.get("labels", {}), rule.get("annotations", {})
    for missing in (
        *(f"label {name}" for name in _LABELS if not labels.get(name)),
        *(f"annotation {name}" for name in _ANNOTATIONS if not annotations.get(name)),
    ):
        yield Finding(place, FindingSeverity.ERROR, f"has no {missing}")
    yield from _moving_labels(place, labels)
    if rule["alert"] not in runbook.names():
        yield Finding(
            place,
            FindingSeverity.ERROR,
            "has no runbook",
            f"write rules/airwarden/rules/runbooks/{rule['alert']}.md",
        )


def _moving_labels(place: str, labels: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in labels.items():
        if "$value" in str(value):
            yield Finding(
                place,
                FindingSeverity.ERROR,
                f"label {name} holds $value: every change of it is a new alert",
                "put it into an annotation",
            )


def _own_alert(place: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    """An operator's alert: it need not look like ours, but should reach somebody."""
    labels, annotations = rule.get("labels") or {}, rule.get("annotations") or {}
    if not labels.get("severity"):
        yield Finding(
            place,
            FindingSeverity.WARNING,
            "has no label severity: it reaches the default receiver only",
            "critical, warning or info",
        )
    if not annotations.get("runbook_url"):
        yield Finding(
            place,
            FindingSeverity.WARNING,
            "has no annotation runbook_url: whoever is called has to find out",
            "link a page that says what to do",
        )
    yield from _moving_labels(place, labels)


def _expression(
    place: str,
    expression: str,
    known: Mapping[str, Metric],
    recorded: Collection[str],
    *,
    foreign: bool = False,
) -> Iterator[Finding]:
    import promql_parser

    try:
        tree = promql_parser.parse(expression)
    except ValueError as error:
        yield Finding(place, FindingSeverity.ERROR, f"Prometheus 3 would refuse it: {error}")
        return
    yield from portability.expression(place, expression)
    for selector in _selectors(tree, promql_parser.VectorSelector):
        name = str(selector.name or "")
        if foreign and not name.startswith("airwarden_"):
            continue
        if not name:
            yield Finding(
                place, FindingSeverity.ERROR, "a selector names no metric", "name the metric"
            )
        elif name not in _BUILT_IN and name not in recorded:
            metric = find_metric(name, known)
            if metric is None:
                yield Finding(
                    place,
                    FindingSeverity.ERROR,
                    f"nothing emits {name}",
                    "the metric reference lists what is emitted",
                )
            else:
                yield from _matchers(place, selector, metric)


def _matchers(place: str, selector: Any, metric: Metric) -> Iterator[Finding]:
    allowed = {"cluster", "job", "instance", "le", *metric.labels}
    for matcher in selector.matchers.matchers:
        if matcher.name not in allowed:
            yield Finding(
                place,
                FindingSeverity.ERROR,
                f"{metric.name} has no label {matcher.name}",
                f"it has {', '.join(('cluster', *metric.labels))}",
            )


#: Labels with as many values as there are DAGs, tasks or runs.
_MANY = frozenset({"dag_id", "task_id", "run_id", "map_index", "fingerprint"})


def _cardinality(place: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    import promql_parser

    try:
        tree = promql_parser.parse(str(rule["expr"]))
    except ValueError:
        return
    kept = sorted(_kept(tree))
    if kept:
        yield Finding(
            place,
            FindingSeverity.WARNING,
            f"one alert for every {', '.join(kept)}: thousands at once when much fails",
            "aggregate, and name the offenders in an annotation with topk",
        )


def _kept(tree: Any) -> frozenset[str]:
    """Return the labels with many values that may be left on an expression's result."""
    import promql_parser

    if isinstance(tree, promql_parser.VectorSelector):
        name = str(tree.name or "")
        own = METRICS[name].labels if name in METRICS else ()
        fixed = {m.name for m in tree.matchers.matchers if str(m.op) == "MatchOp.Equal"}
        return (_MANY & {*own}) - fixed
    if isinstance(tree, promql_parser.AggregateExpr):
        below = _kept(tree.expr)
        if str(tree.op) in ("topk", "bottomk", "limitk"):
            return frozenset()
        modifier = tree.modifier
        labels = frozenset(modifier.labels) if modifier else frozenset()
        by = modifier is None or modifier.type == promql_parser.AggModifierType.By
        return below & labels if by else below - labels
    if isinstance(tree, promql_parser.BinaryExpr):
        left = _kept(tree.lhs)
        return left if str(tree.op) in ("and", "unless") else left | _kept(tree.rhs)
    children = [
        *(getattr(tree, name, None) for name in ("expr", "vector_selector")),
        *getattr(tree, "args", ()),
    ]
    return frozenset().union(*(_kept(child) for child in children if child is not None))


def find_metric(series: str, known: Mapping[str, Metric]) -> Metric | None:
    """Return the metric that a series' name belongs to; a histogram has three names of series."""
    if series in known:
        return known[series]
    for suffix in _HISTOGRAM_SUFFIXES:
        metric = known.get(series.removesuffix(suffix))
        if series.endswith(suffix) and metric and metric.type is MetricType.HISTOGRAM:
            return metric
    return None


def selected_metrics(expression: str) -> frozenset[str]:
    """Return the names of all series that an expression selects."""
    import promql_parser

    tree = promql_parser.parse(expression)
    return frozenset(str(s.name) for s in _selectors(tree, promql_parser.VectorSelector))


def vector_selectors(tree: Any) -> Iterator[Any]:
    """Iterate over the selectors of a parsed expression, those of ranges among them."""
    import promql_parser

    return _selectors(tree, promql_parser.VectorSelector)


def template_labels(template: str) -> frozenset[str]:
    """Return the labels that an annotation's template names."""
    return frozenset(_LABEL_IN_TEMPLATE.findall(template))


def _selectors(tree: Any, kind: type[Any]) -> Iterator[Any]:
    """Walk an expression's tree; every node keeps its children under one of these names."""
    if isinstance(tree, kind):
        yield tree
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(tree, name, None)
        if child is not None:
            yield from _selectors(child, kind)
    for child in getattr(tree, "args", ()):
        yield from _selectors(child, kind)
