"""Alerts on the triggerer, the dag-processor and the api-server: down or frozen.

Each has two witnesses: the host, which names the process, and Airflow itself (heartbeat or answer),
which names the host. The host's word goes first, since it says what to restart.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject
from airwarden.rules.promql import down_or_silent, silent_heartbeat, unwell_processes

_WHO = (
    "{{ if $labels.process }}process {{ $labels.process }}"
    "{{ else }}on {{ $labels.hostname }}{{ end }}"
)


def _recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    return (unwell_processes(rules.config),)


def _down(component: str) -> Callable[[Context], str]:
    def expression(context: Context) -> str:
        return down_or_silent(component, silent_heartbeat(component, context), context)

    return expression


def _api_server_down(context: Context) -> str:
    up = context.series("airwarden_component_up", 'component="api-server"')
    return down_or_silent("api-server", f"max by (cluster, hostname) ({up}) == 0", context)


COMPONENTS = Subject(
    name="components",
    recordings=_recordings,
    alerts=(
        AlertRule(
            name="AirflowTriggererDown",
            component="triggerer",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 60s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=_down("triggerer"),
            summary=f"Triggerer {_WHO} of {{{{ $labels.cluster }}}} is down or frozen",
            description=(
                "No heartbeat for more than <<limit>>, or the host reports its process as down, "
                "for <<hold>>. Deferred tasks do not wake up unless another triggerer takes them."
            ),
        ),
        AlertRule(
            name="AirflowDagProcessorDown",
            component="dag-processor",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 60s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=_down("dag-processor"),
            summary=f"Dag-processor {_WHO} of {{{{ $labels.cluster }}}} is down or frozen",
            description=(
                "No heartbeat for more than <<limit>>, or the host reports its process as down, "
                "for <<hold>>. Runs go on with the code parsed last; new and changed DAGs do not "
                "appear."
            ),
        ),
        AlertRule(
            name="AirflowApiServerDown",
            component="api-server",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=1),
            expr=_api_server_down,
            summary=(
                "Api-server{{ if $labels.process }} process {{ $labels.process }}{{ end }} of "
                "{{ $labels.cluster }} is down or frozen"
            ),
            description=(
                "It has not answered, or the host reports its process as down, for <<hold>>. "
                "Running tasks report through it: they fail when it stays away."
            ),
        ),
    ),
)
