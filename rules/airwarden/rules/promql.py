"""Expressions that several alerts share, with the labels of the scrape (`instance`, `job`) removed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from airwarden.core.durations import format_duration
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import Context, RecordingRule


def quoted(text: str) -> str:
    """Return `text` as a PromQL string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def any_of(names: Iterable[str]) -> str:
    """Return a regular expression for exactly these names (letters and digits only)."""
    return "|".join(names)


def with_cluster(expression: str, cluster: str) -> str:
    """Give series without a `cluster` label this one, so that every alert carries it."""
    return f'label_replace(\n{expression}\n, "cluster", {quoted(cluster)}, "cluster", "")'


def process_down(component: str) -> str:
    """Processes that the host itself reports as frozen, exited or given up."""
    return f'max by (cluster, process) (airwarden_host_process_up{{component="{component}"}}) == 0'


def silent_heartbeat(component: str, context: Context) -> str:
    """Job rows whose last heartbeat is older than the limit, in seconds."""
    return (
        "time() - max by (cluster, hostname, job_id) "
        f'(airwarden_component_heartbeat_timestamp_seconds{{component="{component}"}}) '
        f"{context.beyond}"
    )


#: How many processes of a component the host has seen down, starting or stopped of late.
UNWELL = "cluster_component:airwarden_host_processes_unwell:count"
#: How long a stopped process explains a silence: longer than exporters remember who is gone.
_STOPPED_FOR = "15m"


def unwell_processes(config: RuleConfig) -> RecordingRule:
    """Count what explains a silence: a frozen process, a new one, one stopped on purpose.

    A process is well when it was up throughout the last minutes and is not newer than that: one
    that was just restarted needs as long to report to Airflow.
    """
    process = "airwarden_host_process_up"
    started = "airwarden_host_process_start_timestamp_seconds"
    by = "(cluster, component, process)"
    memory = max(timedelta(seconds=60), 8 * config.scrape_interval)
    window = format_duration(memory)
    return RecordingRule(
        UNWELL,
        f"""\
count by (cluster, component) (
  group by {by} (present_over_time({process}[{_STOPPED_FOR}]))
  unless on {by} (
    min by {by} (min_over_time({process}[{window}])) == 1
    and on {by} max by {by} ({process}) == 1
    unless on {by} time() - max by {by} ({started}) < {memory.total_seconds():g}
  )
)""",
    )


def unexplained(silent: str, component: str) -> str:
    """Leave out what the host explains: no more are silent than processes unwell.

    A frozen process shows twice, as a process and as what went silent, and the two carry no common
    name. Where more are silent than the host explains, all are reported.
    """
    return (
        f"({silent})\nunless on (cluster) (\n"
        f"  count by (cluster) ({silent})\n  <= on (cluster)\n"
        f'  {UNWELL}{{component="{component}"}}\n)'
    )
