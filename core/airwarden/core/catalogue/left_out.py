"""Metrics that an Airflow operator may look for here and that the exporter does not give, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One metric, or several that are left out for one reason.

    Attributes:
        names: Names as they would be.
        reason: Why they are not there, in one sentence.
        instead: What to use, or what would have to come first; empty where there is nothing.
    """

    names: tuple[str, ...]
    reason: str
    instead: str = ""


LEFT_OUT = (
    LeftOut(
        ("airwarden_dag_info",),
        "One series for each of 15,000 DAGs, none of which changes.",
        "the labels tier, team and type of every other metric",
    ),
    LeftOut(
        ("airwarden_task_peak_memory_bytes", "airwarden_task_cpu_seconds"),
        "Airflow does not measure its tasks; a cgroup for each does, and there is one on Kubernetes only.",
        "the container runtime's own metrics (cAdvisor), by the pod of a task",
    ),
    LeftOut(
        ("airwarden_scheduler_loop_exceptions_total",),
        "Airflow reports it over OpenTelemetry alone, not over StatsD.",
        "airwarden_component_up and the scheduler's log",
    ),
    LeftOut(
        ("airwarden_api_request_duration_seconds",),
        "Airflow does not report it over StatsD; a proxy before the API server measures it.",
        "the proxy's own metrics; airwarden_component_up of the API server",
    ),
    LeftOut(
        ("airwarden_collector_rows",),
        "Rows are counted where they are read, by query and not by collector.",
        "airwarden_db_query_rows_total",
    ),
)
