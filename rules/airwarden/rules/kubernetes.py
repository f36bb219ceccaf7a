"""Alerts on what Kubernetes does with the platform's pods: they crash, wait, are missing, killed or let go.

The `component` of these alerts is that of the pods; what is down because of them carries the same, so that
one fault is one alert (`airwarden.rules.inhibition`).
"""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject

_BY = "cluster, component"
_WORKLOAD = f"{_BY}, workload"


def _crash_looping(context: Context) -> str:
    # Between two crashes a container runs for some seconds: the range carries over them.
    loops = context.series("airwarden_pods_waiting", 'reason="CrashLoopBackOff"')
    return f"max by ({_BY}) (max_over_time({loops}[{context.bridge}])) > 0"


def _pending(context: Context) -> str:
    age = context.series("airwarden_pod_pending_oldest_age_seconds")
    return f"max by ({_BY}) (max_over_time({age}[{context.bridge}])) {context.beyond}"


def _missing(context: Context) -> str:
    wanted = context.series("airwarden_workload_replicas", 'state="wanted"')
    existing = context.series("airwarden_workload_replicas", 'state="existing"')
    return (
        f"max by ({_WORKLOAD}) (min_over_time({wanted}[{context.bridge}]))\n"
        f"- max by ({_WORKLOAD}) (max_over_time({existing}[{context.bridge}])) {context.beyond}"
    )


def _oom_killed(context: Context) -> str:
    kills = context.series("airwarden_pod_oom_kills_total")
    over = format_duration(context.over)
    return f"sum by ({_BY}) (increase({kills}[{over}])) {context.beyond}"


def _evicted(context: Context) -> str:
    # Drains are wanted, and what Airwarden restarts it evicts.
    evictions = context.series("airwarden_pod_evictions_total", 'reason!="api"')
    over = format_duration(context.over)
    return f"sum by ({_BY}, reason) (increase({evictions}[{over}])) {context.beyond}"


def _quota(context: Context) -> str:
    used = context.series("airwarden_quota_used")
    limit = context.series("airwarden_quota_limit")
    by = "cluster, quota, resource"
    return (
        f"max by ({by}) (max_over_time({used}[{context.bridge}]))\n"
        f"/ (max by ({by}) ({limit}) > 0) {context.beyond}"
    )


def _rollout(context: Context) -> str:
    rolling = context.series("airwarden_workload_rolling")
    return f"max by ({_WORKLOAD}) (min_over_time({rolling}[{context.bridge}])) == 1"


def _at_maximum(context: Context) -> str:
    def bound(state: str) -> str:
        one = context.series("airwarden_scaler_replicas", f'state="{state}"')
        return f"max by ({_WORKLOAD}) ({one})"

    # One whose bounds are equal is held at a number on purpose.
    return f"{bound('wanted')} >= {bound('maximum')}\nand {bound('maximum')} > {bound('minimum')}"


_OF = "{{ $labels.component }} of {{ $labels.cluster }}"
_THIS = "{{ $labels.workload }} of {{ $labels.cluster }}"

KUBERNETES = Subject(
    name="kubernetes",
    alerts=(
        AlertRule(
            name="AirflowPodsCrashLooping",
            component="kubernetes",
            of_series=True,
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=2),
            expr=_crash_looping,
            summary=f"{{{{ $value | humanize }}}} pod(s) of {_OF} crash again and again",
            description=(
                "For <<hold>> their containers have ended as soon as they were started, and Kubernetes "
                "waits longer each time. A restart changes nothing: how they ended last says why."
            ),
        ),
        AlertRule(
            name="AirflowPodsPending",
            component="kubernetes",
            of_series=True,
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 10m"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=_pending,
            summary=f"A pod of {_OF} has been pending for {{{{ $value | humanizeDuration }}}}",
            description=(
                "More than <<limit>>: no node takes it, its image cannot be pulled, or a volume is "
                "missing. Deleting it would only make another one that waits."
            ),
        ),
        AlertRule(
            name="AirflowPodsMissing",
            component="kubernetes",
            of_series=True,
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            hold=timedelta(minutes=5),
            expr=_missing,
            summary=f"{{{{ $value | humanize }}}} pod(s) of {_THIS} cannot be created",
            description=(
                "For <<hold>> there have been fewer pods than it asks for. Most often a quota is used up, "
                "or an admission hook refuses them; the event on it says which."
            ),
        ),
        AlertRule(
            name="AirflowPodOomKilled",
            component="kubernetes",
            of_series=True,
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=15),
            hold=timedelta(0),
            expr=_oom_killed,
            summary=f"Containers of {_OF} were killed for want of memory",
            description=(
                "About {{ $value | humanize }} within <<over>>. The same memory gives the same end: a task "
                "that is tried again with it dies again."
            ),
        ),
        AlertRule(
            name="AirflowPodEvicted",
            component="kubernetes",
            of_series=True,
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=15),
            hold=timedelta(0),
            expr=_evicted,
            summary=f"Pods of {_OF} were evicted: {{{{ $labels.reason }}}}",
            description=(
                "About {{ $value | humanize }} within <<over>>: their node ran out of memory or disk, "
                "went away, or more important pods took their place. Tasks in them failed."
            ),
        ),
        AlertRule(
            name="AirflowPodQuota",
            component="kubernetes",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 95%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=10),
            expr=_quota,
            summary=(
                "{{ $value | humanizePercentage }} of quota {{ $labels.quota }} "
                "({{ $labels.resource }}) of {{ $labels.cluster }} is used"
            ),
            description=(
                "More than <<limit>> for <<hold>>. At 100 % no further pod is created: restarts and "
                "more workers wait, without any pod that would show it."
            ),
        ),
        AlertRule(
            name="AirflowRolloutStuck",
            component="kubernetes",
            of_series=True,
            severity=Severity.WARNING,
            hold=timedelta(minutes=15),
            expr=_rollout,
            summary=f"A change of {_THIS} is not rolled out",
            description=(
                "For <<hold>> some of its pods have been of an older template: the new ones do not become "
                "ready, it is paused, or its controller has given up."
            ),
        ),
        AlertRule(
            name="AirflowScalerAtMaximum",
            component="kubernetes",
            of_series=True,
            severity=Severity.WARNING,
            hold=timedelta(minutes=15),
            expr=_at_maximum,
            summary=f"{_THIS} has been at its autoscaler's maximum: {{{{ $value | humanize }}}} pods",
            description=(
                "For <<hold>> it has asked for as many as it may have. Whether work waits, the queues "
                "say; if it does, nothing will be added by itself."
            ),
        ),
    ),
)
