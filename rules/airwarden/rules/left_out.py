"""Alerts that an Airflow operator may look for here and that are not shipped, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Alerts that are left out for one reason.

    Attributes:
        names: Their names as they would be.
        reason: Why they are not there, in one sentence.
        instead: What to use, or what would have to come first.
    """

    names: tuple[str, ...]
    reason: str
    instead: str


LEFT_OUT = (
    LeftOut(
        ("AirflowOperatorFailureRate",),
        "Failures are counted by operator, ends are not: there is no share to judge.",
        "`AirflowOperatorFailuresUnusual`, which compares with what is usual",
    ),
    LeftOut(
        ("AirflowDatabaseCpuHigh", "AirflowDatabaseMemoryHigh"),
        "Nothing of Airwarden's runs on the database's machine.",
        "an alert on node_exporter's series in `prometheus.rule_files`",
    ),
    LeftOut(
        ("AirflowDagProcessorStalled",),
        "A dag-processor without a heartbeat for 120 s has been reported for a minute.",
        "`AirflowDagProcessorDown`; `AirflowDagParseSlow` for one that beats and parses nothing",
    ),
    LeftOut(
        ("AirflowTaskStuckRunning",),
        "How long a task may run differs by three orders of magnitude between tasks.",
        "`AirflowTasksStuck` with kind `running`: running without a heartbeat",
    ),
    LeftOut(
        ("AirflowRuleEvaluationSlow",),
        "It needs Prometheus' own metrics, which the generated configuration does not scrape.",
        "`prometheus_rule_group_last_duration_seconds` beside the group's interval",
    ),
    LeftOut(
        ("InfoInhibitor",),
        "The few alerts of severity info go to chat only.",
        "nothing",
    ),
)
