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


def _half_down(context: Context) -> str:
    up = context.series("airwarden_component_up", 'component="scheduler"')
    return (
        f"avg by (cluster) ({up}) {context.beyond}\n"
        f"and on (cluster) count by (cluster) ({up}) >= {context.at_least}"
    )


def _saturated(context: Context) -> str:
    # The two come from different sources, which name hosts differently.
    triggers = context.series("airwarden_triggers", 'hostname!="none"')
    capacity = context.series("airwarden_triggerer_capacity")
    return f"sum by (cluster) ({triggers}) / sum by (cluster) ({capacity}) {context.beyond}"


def _waiting(context: Context) -> str:
    age = context.series("airwarden_trigger_oldest_waiting_age_seconds")
    return f"max by (cluster, queue) ({age}) {context.beyond}"


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
        AlertRule(
            name="AirflowSchedulersHalfDown",
            component="scheduler",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("< 50%"),
            units=(Unit.RATIO,),
            at_least=2,
            hold=timedelta(minutes=5),
            expr=_half_down,
            summary=(
                "Only {{ $value | humanizePercentage }} of the schedulers of {{ $labels.cluster }} work"
            ),
            description=(
                "Fewer than <<limit>> of at least <<at_least>> for <<hold>>: what is left may not keep "
                "up, and the next one that goes is one of the last."
            ),
        ),
        AlertRule(
            name="AirflowTriggererSaturated",
            component="triggerer",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 90%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=15),
            expr=_saturated,
            summary=(
                "The triggerers of {{ $labels.cluster }} are {{ $value | humanizePercentage }} full"
            ),
            description=(
                "More than <<limit>> for <<hold>>: further deferred tasks wait without being watched, "
                "and wake up late."
            ),
        ),
        AlertRule(
            name="AirflowTriggersWaiting",
            component="triggerer",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 5m"),
            units=(Unit.SECONDS,),
            scopes=("queue",),
            hold=timedelta(minutes=5),
            expr=_waiting,
            summary=(
                "A trigger of queue {{ $labels.queue }} on {{ $labels.cluster }} has waited "
                "{{ $value | humanizeDuration }} for a triggerer"
            ),
            description=(
                "More than <<limit>> for <<hold>>. Its task stays deferred until a live triggerer of "
                "that queue has room."
            ),
        ),
    ),
)
