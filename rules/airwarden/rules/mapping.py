"""Metrics of the catalogue that come from series which the site already has: one recording rule each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import CATALOGUE, SECTIONS, Metric, MetricType, metric
from airwarden.core.settings.mapped import Mapped
from airwarden.rules.presets import PresetMetric, preset
from airwarden.rules.series_labels import parsed, result_labels

#: What is about our own programs: only they can say it.
_OURS = frozenset(entry.name for entry in SECTIONS["Airwarden itself"]) | {
    name
    for name in CATALOGUE
    if name.startswith(("airwarden_statsd_", "airwarden_events_", "airwarden_reported_"))
}
_SERIES = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class MappedRule:
    """One series' recording rule.

    Attributes:
        record: The series: a metric's name, or one of a histogram's three.
        metric: The metric in the catalogue.
        expr: The expression over the site's series.
        cluster: Value of the `cluster` label.
        labels: Labels of fixed value.
        whole: Whether the metric comes from here alone; else only what has those labels does.
        place: The setting it comes from.
    """

    record: str
    metric: str
    expr: str
    cluster: str
    labels: Mapping[str, str]
    whole: bool
    place: str


def mapped_rules(cluster: str, entries: Sequence[Mapped], place: str) -> tuple[MappedRule, ...]:
    """Return the recording rules of one cluster.

    Args:
        cluster: Its name.
        entries: What the operator says.
        place: The key above them, for messages: `clusters[0].mapped`.

    Raises:
        WrongInputError: An unknown preset or metric, an expression that Prometheus 3 would refuse, a
            result with other labels than the metric's, or a metric that is mapped twice.
    """
    found: list[MappedRule] = []
    for index, entry in enumerate(entries):
        where = f"{place}[{index}]"
        made = _of_preset(cluster, entry, where) if entry.preset else [_own(cluster, entry, where)]
        for rule in made:
            _no_overlap(rule, found)
            found.append(rule)
    _whole_histograms(found)
    return tuple(found)


def _own(cluster: str, entry: Mapped, place: str) -> MappedRule:
    name, expr = entry.metric or "", entry.expr or ""
    try:
        wanted = metric(name)
    except WrongInputError as error:
        raise WrongInputError(error.message, place=f"{place}.metric", hint=error.hint) from None
    if wanted.name in _OURS:
        raise WrongInputError(
            f"{name} is about Airwarden itself: only its own programs know it",
            place=f"{place}.metric",
            hint="leave it out",
        )
    if wanted.type is MetricType.HISTOGRAM and name == wanted.name:
        raise WrongInputError(
            f"{name} is a histogram",
            place=f"{place}.metric",
            hint=f"map {', '.join(name + suffix for suffix in _SERIES)}",
        )
    check_expression(expr, _labels_of(name, wanted), entry.labels, place)
    return MappedRule(
        name, wanted.name, expr.strip(), cluster, entry.labels, not entry.labels, place
    )


def _labels_of(series: str, wanted: Metric) -> frozenset[str]:
    bucket = wanted.type is MetricType.HISTOGRAM and series.endswith("_bucket")
    return frozenset(wanted.labels) | ({"le"} if bucket else set())


def check_expression(
    expr: str, wanted: frozenset[str], fixed: Mapping[str, str], place: str, key: str = "expr"
) -> None:
    """Check that a result has exactly these labels, those of fixed value left out.

    Raises:
        WrongInputError: It has not, or does not say.
    """
    if foreign := sorted(fixed.keys() - wanted):
        raise WrongInputError(
            f"the metric has no label {foreign[0]}",
            place=f"{place}.labels.{foreign[0]}",
            hint=_has(wanted),
        )
    needed = wanted - fixed.keys()
    labels = result_labels(parsed(expr, f"{place}.{key}"))
    if labels == needed:
        return
    by = f"sum by ({', '.join(sorted(needed))}) (…)" if needed else "sum(…)"
    if labels is None:
        said = "it does not say which labels its result has"
    elif missing := sorted(needed - labels):
        said = f"its result lacks the label {missing[0]}"
    else:
        said = f"its result has the label {min(labels - needed)}, which the metric has not"
    raise WrongInputError(said, place=f"{place}.{key}", hint=f"aggregate it: {by}, or max")


def _has(wanted: Iterable[str]) -> str:
    return f"it has {', '.join(sorted(wanted))}" if wanted else "it has none beside cluster"


def _of_preset(cluster: str, entry: Mapped, place: str) -> list[MappedRule]:
    chosen = preset(entry.preset or "", place=f"{place}.preset")
    _matchers(entry.where, f"{place}.where")
    if unknown := sorted(entry.parameters.keys() - chosen.parameters.keys()):
        raise WrongInputError(
            f"{chosen.name} has no parameter {unknown[0]}",
            place=f"{place}.parameters.{unknown[0]}",
            hint=f"it has {', '.join(chosen.parameters) or 'none'}",
        )
    names = {one.metric for one in chosen.metrics}
    for index, name in enumerate(entry.without):
        if name not in names:
            raise WrongInputError(
                f"{chosen.name} does not give {name}",
                place=f"{place}.without[{index}]",
                hint=f"it gives {', '.join(sorted(names))}",
            )

    def rule(one: PresetMetric) -> MappedRule:
        wanted = metric(one.metric)
        expr = chosen.expression(one, entry.where, entry.parameters)
        check_expression(expr, _labels_of(one.metric, wanted), one.labels, place, key="preset")
        whole = one.whole or not one.labels
        return MappedRule(one.metric, wanted.name, expr, cluster, one.labels, whole, place)

    return [rule(one) for one in chosen.metrics if one.metric not in entry.without]


def _matchers(where: str, place: str) -> None:
    """Check that the operator's matchers are matchers and nothing else."""
    if not where.strip():
        return
    text = where.strip().rstrip(",")
    tree = parsed(f"x{{{text}}}", place)
    plain = type(tree).__name__ == "VectorSelector" and not (tree.offset or tree.at)
    if not plain or tree.matchers.or_matchers:
        raise WrongInputError(
            "expected label matchers", place=place, hint='for example namespace="airflow"'
        )


def _no_overlap(rule: MappedRule, before: Iterable[MappedRule]) -> None:
    for other in before:
        if other.record != rule.record:
            continue
        shared = rule.labels.keys() & other.labels.keys()
        if not any(rule.labels[name] != other.labels[name] for name in shared):
            raise WrongInputError(
                f"{rule.record} is mapped twice: also by {other.place}",
                place=rule.place,
                hint="name it under without of the preset, or give the two different labels",
            )


def _whole_histograms(rules: Sequence[MappedRule]) -> None:
    series: dict[tuple[str, tuple[tuple[str, str], ...]], list[MappedRule]] = {}
    for rule in rules:
        if rule.record != rule.metric:
            key = (rule.metric, tuple(sorted(rule.labels.items())))
            series.setdefault(key, []).append(rule)
    for (name, _), several in series.items():
        if missing := {name + suffix for suffix in _SERIES} - {one.record for one in several}:
            raise WrongInputError(
                f"the histogram {name} is mapped in part: {min(missing)} is missing",
                place=f"{several[0].place}.metric",
                hint="map _bucket, _sum and _count of it",
            )
