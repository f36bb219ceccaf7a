"""Whether the site's own series answer for the metrics that are mapped to them, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.outputs import mapped
from airwarden.core.errors import AirwardenError, RejectedError, WrongInputError
from airwarden.core.metrics import MetricType, metric
from airwarden.core.platform import Sample
from airwarden.core.ports import Prometheus
from airwarden.core.settings import Settings
from airwarden.rules.lint import selected_metrics
from airwarden.rules.mapping import MappedRule

#: Series of one metric beyond which a mapping is surely not meant so.
MANY = 2_000


def probe_mapped(settings: Settings, prometheus: Prometheus | None) -> Iterator[Finding]:
    """Yield what each mapped metric's expression gives now."""
    try:
        rules = mapped(settings)
    except WrongInputError as error:
        yield Finding("mapped metrics", error.place, Outcome.FAILED, error.message, error.hint)
        return
    for rule in rules:
        system = f"{rule.cluster}: mapped metrics"
        if prometheus is None:
            yield Finding(
                system,
                "answers",
                Outcome.LIMITED,
                f"{len(rules)} rules, and no Prometheus to try them on",
                "set prometheus.url",
            )
            return
        yield _examined(system, rule, prometheus)


def _examined(system: str, rule: MappedRule, prometheus: Prometheus) -> Finding:
    subject = rule.record.removeprefix("airwarden_")
    subject += "".join(f" {name}={value}" for name, value in rule.labels.items())
    try:
        samples = prometheus.query(rule.expr)
    except RejectedError as error:
        return Finding(system, subject, Outcome.FAILED, str(error), f"change {rule.place}")
    except AirwardenError as error:
        return Finding(system, subject, Outcome.FAILED, str(error), "check prometheus.url")
    if not samples:
        names = ", ".join(sorted(selected_metrics(rule.expr)))
        return Finding(
            system,
            subject,
            Outcome.LIMITED,
            f"no series now: nobody measures it (the exporter does not, because of {rule.place})",
            f"are {names} there, with the matchers of {rule.place}? else leave it out of the mapping",
        )
    return _judged(system, subject, rule, samples)


def _judged(system: str, subject: str, rule: MappedRule, samples: Sequence[Sample]) -> Finding:
    wanted = set(metric(rule.record).labels)
    bucket = metric(rule.record).type is MetricType.HISTOGRAM and rule.record.endswith("_bucket")
    needed = (wanted | ({"le"} if bucket else set())) - rule.labels.keys()
    for sample in samples:
        if found := needed - {name for name, value in sample.labels.items() if value}:
            return Finding(
                system,
                subject,
                Outcome.LIMITED,
                f"a series of it lacks the label {min(found)}",
                f"does that label have a value in every series that {rule.place} selects?",
            )
    if len(samples) > MANY:
        return Finding(
            system,
            subject,
            Outcome.LIMITED,
            f"answers with {len(samples)} series",
            f"select this platform's alone in {rule.place}",
        )
    number = f"{len(samples)} series" if len(samples) > 1 else f"{samples[0].value:g}"
    return Finding(system, subject, Outcome.OK, f"answers: {number}")
