"""Expressions that several alerts share, with the labels of the scrape (`instance`, `job`) removed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from airwarden.core.durations import format_duration
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import Context, Measure, RecordingRule


def quoted(text: str) -> str:
    """Return `text` as a PromQL string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def any_of(names: Iterable[str]) -> str:
    """Return a regular expression for exactly these names (letters and digits only)."""
    return "|".join(names)


#: How many weeks back `usual` looks; those that Prometheus no longer keeps are left out.
USUAL_WEEKS = 4


def usual(measure: Measure) -> str:
    """What is usual at this hour of the week: the median over the past weeks of the hour's mean.

    The hour has now at its middle, so that a rhythm of 24 hours is followed without lag.
    """
    labels = ", ".join(measure.labels)
    weeks = "\n  or\n".join(
        "  label_replace("
        f"avg_over_time({measure.record}[1h] offset {7 * week - 1}d23h30m)"
        f', "week", "{week}", "", "")'
        for week in range(1, USUAL_WEEKS + 1)
    )
    return f"quantile by ({labels}) (0.5,\n{weeks}\n)"


#: Standard deviations below the measured share: the true one is above it with 90 % certainty.
_WILSON_Z = 1.2816


def surely_above(bad: str, total: str) -> str:
    """Return the lower bound of a share (Wilson's score interval, one-sided, 90 %).

    Three of seven is a share of 43 % and of no less than 22 %: few events prove little.

    Args:
        bad, total: Vectors with the same labels.
    """
    z = _WILSON_Z
    return (
        f"(({bad}) + {z**2 / 2:.4f} - {z} * sqrt(({bad}) * (({total}) - ({bad})) / ({total})"
        f" + {z**2 / 4:.4f})) / (({total}) + {z**2:.4f})"
    )


def with_cluster(expression: str, cluster: str) -> str:
    """Give series without a `cluster` label this one, so that every alert carries it."""
    return f'label_replace(\n{expression}\n, "cluster", {quoted(cluster)}, "cluster", "")'


def process_down(component: str, context: Context) -> str:
    """Processes that the host itself reports as frozen, exited or given up."""
    up = context.series("airwarden_host_process_up", f'component="{component}"')
    return f"max by (cluster, process) ({up}) == 0"


def silent_heartbeat(component: str, context: Context) -> str:
    """Job rows whose last heartbeat is older than the limit, in seconds.

    Only while heartbeats are being read: those of the last good reading grow old by themselves.
    """
    beat = context.series(
        "airwarden_component_heartbeat_timestamp_seconds", f'component="{component}"'
    )
    return (
        f"time() - max by (cluster, hostname, job_id) ({beat}) {context.beyond}\n"
        'unless on (cluster) airwarden_collector_success{collector="heartbeats"} == 0'
    )


#: How many processes of a component the host has seen down, or newly started, of late.
UNWELL = "cluster_component:airwarden_host_processes_unwell:count"
#: A process that was started more often than this within the range explains nothing any more.
_RESTARTS, _RESTARTS_RANGE = 2, "15m"


def unwell_processes(config: RuleConfig) -> RecordingRule:
    """Count what explains a silence: processes that are frozen or dead, or have just been started.

    A process is well when it was up throughout the last minutes and is not newer than that: one
    that was restarted needs as long to report to Airflow. One that dies again and again is not
    explained: neither of its states lasts long enough for an alert of its own.
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
  group by {by} (present_over_time({process}[{window}]))
  unless on {by} (
    min by {by} (min_over_time({process}[{window}])) == 1
    and on {by} max by {by} ({process}) == 1
    unless on {by} time() - max by {by} ({started}) < {memory.total_seconds():g}
  )
  unless on {by} max by {by} (changes({started}[{_RESTARTS_RANGE}])) > {_RESTARTS}
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


def down_or_silent(component: str, silent: str, context: Context) -> str:
    """Two witnesses, one alert: the host's word goes first, since it says what to restart.

    Args:
        component: Whose processes.
        silent: What Airflow or Celery reports as silent, by host.
        context: The alert.
    """
    return f"{process_down(component, context)}\nor\n(\n{unexplained(silent, component)}\n)"
