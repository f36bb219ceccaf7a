"""Alerts on Airwarden: blind, silent, or not taking what it should; and the one that always fires."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Route, Rules, Subject
from airwarden.rules.promql import any_of, quoted, with_cluster

_EXPECTED = "airwarden:cluster:expected"
_ANSWERS = "airwarden:mapped:answers"
#: The scrape jobs' names; the scrape configuration uses the same.
EXPORTER_JOB = "airwarden-exporter"
REMEDIATOR_JOB = "airwarden-remediator"


def _recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    clusters = "\nor\n".join(
        f'label_replace(vector(1), "cluster", {quoted(cluster)}, "", "")'
        for cluster in rules.config.clusters
    )
    mapped = dict.fromkeys((rule.cluster, rule.record) for rule in rules.config.mapped)
    answers = [
        RecordingRule(
            _ANSWERS,
            f"count({record}{{cluster={quoted(cluster)}}})",
            {"cluster": cluster, "metric": record},
        )
        for cluster, record in mapped
    ]
    nothing = RecordingRule(_ANSWERS, "vector(0) > 0")
    return (RecordingRule(_EXPECTED, clusters), *(answers or [nothing]))


def _exporter_down(context: Context) -> str:
    return f"{context.series(_EXPECTED, labels=())} unless on (cluster) airwarden_collector_success"


def _cardinality(context: Context) -> str:
    over = format_duration(context.over)
    dropped = context.series("airwarden_series_dropped_total")
    return f"sum by (cluster, metric) (increase({dropped}[{over}])) {context.beyond}"


def _mapped_silent(context: Context) -> str:
    answers = context.series(_ANSWERS, labels=())
    lately = f"max_over_time({answers}[{format_duration(context.over)}])"
    return f"max by (cluster, metric) ({lately})\nunless on (cluster, metric) {answers}"


def _snapshot_stale(context: Context) -> str:
    newest = context.series("airwarden_snapshot_age_seconds")
    age = f"min by (cluster) ({newest}) {context.beyond}"
    return with_cluster(age, context.config.home)


def _remediator_down(context: Context) -> str:
    absent = f'absent(max(up{{job="{REMEDIATOR_JOB}"}} == 1))'
    loop = f"time() - max(airwarden_remediator_loop_timestamp_seconds) {context.beyond}"
    return f"{loop}\nor\n{absent}"


def _truncated(context: Context) -> str:
    increase = f"increase(airwarden_intake_truncated_alerts_total[{format_duration(context.over)}])"
    # Each cluster of a remediator counts them, since nobody knows whose they are.
    return f"max({increase}) > 0"


def _undelivered(channel: str, context: Context) -> str:
    age = f'airwarden_outbox_oldest_age_seconds{{channel="{channel}"}}'
    return f"max({age}) {context.beyond}"


def _not_taken(context: Context) -> str:
    expected = [
        other.name
        for other in context.rules.all()
        if other.rule.route is Route.REMEDIATOR
        and any(v.severity is Severity.CRITICAL for v in context.rules.variants(other.name))
    ]

    def by_name(vector: str) -> str:
        return f'label_replace({vector}, "untaken", "$1", "alertname", "(.+)")'

    matchers = ('alertstate="firing"', 'severity="critical"', f'alertname=~"{any_of(expected)}"')
    alerts = context.series("ALERTS", *matchers, labels=())
    firing = f"count by (cluster, untaken) ({by_name(alerts)})"
    taken = f"max by (cluster, untaken) ({by_name('airwarden_remediator_alerts_taken')})"
    return (
        f"{firing}\nunless on (cluster, untaken) (\n{taken}\n>= on (cluster, untaken)\n{firing}\n)"
    )


_alert = partial(AlertRule, component="airwarden")
#: Told in chat: what Airwarden knows is old or has gaps.
_warning = partial(_alert, severity=Severity.WARNING)
#: Told in chat, of one of its programs rather than of a platform.
_own_warning = partial(_warning, about_airwarden=True)
#: Told people past the remediator, which may be what is broken; it is over when its series say so.
_page = partial(_alert, severity=Severity.CRITICAL, route=Route.PAGER, keeps=False)


NOT_TAKEN = _page(
    name="AirwardenAlertNotTaken",
    hold=timedelta(minutes=2),
    expr=_not_taken,
    summary="{{ $labels.untaken }} fires on {{ $labels.cluster }} and nothing has taken it",
    description=(
        "{{ $value | humanize }} critical alert(s) {{ $labels.untaken }} have been firing for "
        "<<hold>> without the remediator having taken them. Treat the alert itself: its runbook "
        "applies, nobody else is working on it."
    ),
)
REMEDIATOR_DOWN = _page(
    name="AirwardenRemediatorDown",
    threshold=parse_threshold("> 60s"),
    units=(Unit.SECONDS,),
    # Longer than NOT_TAKEN's, so that a fault nobody handles is one page, and names the fault.
    hold=timedelta(minutes=3),
    expr=_remediator_down,
    about_airwarden=True,
    summary="Airwarden's remediator is down: nothing is healed and nothing is paged by it",
    description=(
        "No remediator answers, or the leader's loop has stood still for more than <<limit>>, for "
        "<<hold>>. Critical alerts reach you directly meanwhile, as AirwardenAlertNotTaken."
    ),
)
EXPORTER_DOWN = _page(
    name="AirflowExporterDown",
    hold=timedelta(minutes=5),
    expr=_exporter_down,
    summary="Nothing is measured on {{ $labels.cluster }}: its exporter is down",
    description=(
        "Prometheus has had no sample of this platform for <<hold>>. No other alert of it can "
        "fire, and those that fired have ended without anything being healed."
    ),
)
PAGE_NOT_DELIVERED = _page(
    name="AirwardenPageNotDelivered",
    threshold=parse_threshold("> 5m"),
    units=(Unit.SECONDS,),
    hold=timedelta(minutes=1),
    expr=lambda context: _undelivered("pager", context),
    about_airwarden=True,
    summary="Airwarden's pages do not get out",
    description=(
        "The oldest has waited for {{ $value | humanizeDuration }}, more than <<limit>>. Somebody "
        "should have been called: look at `airwarden incidents`."
    ),
)
AIRWARDEN_ITSELF = Subject(
    name="airwarden",
    recordings=_recordings,
    alerts=(
        EXPORTER_DOWN,
        _warning(
            name="AirflowCollectorFailing",
            hold=timedelta(minutes=5),
            expr=lambda c: (
                f"max by (cluster, collector) ({c.series('airwarden_collector_success')}) == 0"
            ),
            summary="Collector {{ $labels.collector }} of {{ $labels.cluster }} fails",
            description=(
                "It has not succeeded for <<hold>>: its metrics stand still or are gone, and the "
                "alerts on them are blind."
            ),
        ),
        _warning(
            name="AirflowSnapshotStale",
            threshold=parse_threshold("> 1m"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=5),
            expr=_snapshot_stale,
            summary="The exporter of {{ $labels.cluster }} serves old numbers",
            description=(
                "What it serves is {{ $value | humanizeDuration }} old, more than <<limit>> for "
                "<<hold>>, although it answers scrapes."
            ),
        ),
        _warning(
            name="AirflowCardinalityDropped",
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=10),
            hold=timedelta(minutes=10),
            expr=_cardinality,
            summary="{{ $labels.metric }} of {{ $labels.cluster }} has more series than are shown",
            description=(
                "For <<hold>> label values of it have been summed under `_overflow` or left out: alerts "
                "on it do not see them one by one."
            ),
        ),
        _warning(
            name="AirflowMappedMetricSilent",
            over=timedelta(hours=6),
            hold=timedelta(minutes=15),
            expr=_mapped_silent,
            summary="{{ $labels.metric }} of {{ $labels.cluster }} no longer comes from the site's own series",
            description=(
                "It is mapped, so that nobody else measures it, and has had no sample for <<hold>>; within "
                "the last <<over>> it had {{ $value | humanize }} series. Alerts on it are blind."
            ),
        ),
        REMEDIATOR_DOWN,
        NOT_TAKEN,
        _own_warning(
            name="AirwardenConfigReloadFailed",
            hold=timedelta(minutes=1),
            expr=lambda _: "min by (job) (airwarden_config_reload_success) == 0",
            summary="{{ $labels.job }} refused its new configuration",
            description=(
                "For <<hold>> it has been running on the old configuration because the new one is "
                "wrong; its log names file, line and key."
            ),
        ),
        _alert(
            name="AirwardenAuditBroken",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=1),
            expr=lambda _: "min(airwarden_audit_intact) == 0",
            about_airwarden=True,
            summary="The audit of what Airwarden did does not hold",
            description=(
                "When its chain was last followed, an entry was changed, missing, or not the one that "
                "was signed off. It is no longer signed off, and nothing of it is archived."
            ),
        ),
        _own_warning(
            name="AirwardenRetentionFailing",
            hold=timedelta(hours=1),
            expr=lambda _: "min(airwarden_retention_success) == 0",
            summary="Airwarden's journal grows: nothing old leaves it",
            description=(
                "For <<hold>> no sweep has reached its end; the remediator's log says why. Most often "
                "the archive's folder is missing, full or not writable."
            ),
        ),
        _own_warning(
            name="AirwardenDeliverySetAside",
            hold=timedelta(minutes=1),
            expr=lambda _: "max(airwarden_inbox_set_aside) > 0",
            summary="Airwarden could not work off {{ $value | humanize }} delivery(ies) of alerts",
            description=(
                "They were acknowledged, tried several times, and set aside with their bodies. What "
                "else they held was taken; what failed is in the remediator's log."
            ),
        ),
        _own_warning(
            name="AirwardenDeliveryTruncated",
            hold=timedelta(0),
            over=timedelta(minutes=15),
            expr=_truncated,
            summary="Alertmanager left alerts out of what it delivered",
            description=(
                "It did so within the last <<over>>. The remediator fetched them from Alertmanager's "
                "API at once; where it cannot reach that, they are not taken."
            ),
        ),
        _own_warning(
            name="AirwardenChatNotDelivered",
            threshold=parse_threshold("> 15m"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=lambda context: _undelivered("chat", context),
            summary="Airwarden's chat messages do not get out",
            description=(
                "The oldest has waited for {{ $value | humanizeDuration }}, more than <<limit>>. "
                "Remedies and pages go on; a message is given up after an hour."
            ),
        ),
        PAGE_NOT_DELIVERED,
        _alert(
            name="Watchdog",
            severity=Severity.NONE,
            hold=timedelta(0),
            expr=lambda _: "vector(1)",
            about_airwarden=True,
            summary="The alert path works: this alert always fires",
            description=(
                "When the receiver of this alert stops hearing it, Prometheus or Alertmanager is "
                "down, and no alert reaches anybody."
            ),
            route=Route.HEARTBEAT,
            keeps=False,
        ),
    ),
)
