"""Can the other dashboards be believed: does Airwarden measure, decide, record and tell?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.boards.remediation import leaders
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import ITSELF, REMEDIATION
from airwarden.dashboards.panels import (
    RED,
    UP_DOWN,
    any_is,
    at_least,
    at_most,
    stat,
    timeline,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, now, own, rate, top

_OUTBOX = "airwarden_outbox_oldest_age_seconds"


def itself(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of Airwarden's own health."""
    limits = config.limits
    return dashboard(
        ITSELF,
        (_now(limits), _collectors(), _cost(), _remediator(limits), _journal(), _taken()),
    )


def collectors() -> Any:
    """Return the share of collectors that succeed."""
    return stat(
        "Measurements",
        "Share of Airwarden's collectors whose last run succeeded: below 100 % some panels show old "
        "values.",
        "percentunit",
        [Query(f"avg({own('airwarden_collector_success')})")],
        steps=at_least(1),
        decimals=0,
        no_value="no exporter",
        more=ITSELF,
    )


def _now(limits: Limits) -> Section:
    return Section(
        "Now",
        numbers(
            collectors(),
            stat(
                "Age of what is shown",
                "Age of the newest collected value.",
                "s",
                [Query(f"max({own('airwarden_snapshot_age_seconds')})")],
                steps=at_most(limits.snapshot_age_seconds),
            ),
            stat(
                "Active exporters",
                "Exporters that are active; where there are two, the other stands by.",
                "none",
                [Query(f"sum({own('airwarden_leader')})")],
                steps=at_least(1),
            ),
            leaders(),
            stat(
                "Configuration",
                "Whether the last reload was accepted; a bad file leaves the old one in force.",
                "percentunit",
                [Query(f"min({own('airwarden_config_reload_success')})")],
                steps=at_least(1),
            ),
            stat(
                "Oldest notice not delivered",
                "How long the oldest message or page has waited.",
                "s",
                [Query(f"max({own(_OUTBOX)})")],
                steps=at_most(limits.page_wait_seconds),
                no_value="no remediator",
            ),
        ),
    )


def _collectors() -> Section:
    def by_collector(metric: str, how: str = "max") -> str:
        return f"{how} by (cluster, collector) ({own(metric)})"

    last = own("airwarden_collector_last_success_timestamp_seconds")
    return Section(
        "Collectors",
        (
            *row(
                timeline(
                    "Collectors",
                    "Whether the last run of each collector succeeded. A failed one leaves its last "
                    "good values, which age. With more than sixty, those that fail come first.",
                    [
                        Query(
                            f"bottomk(60, {by_collector('airwarden_collector_success', 'min')})",
                            "{{collector}} {{cluster}}",
                        )
                    ],
                    UP_DOWN,
                ),
                timeseries(
                    "Collector duration",
                    "Time of each collector's last run, the fifteen slowest.",
                    "s",
                    [
                        Query(
                            top(15, by_collector("airwarden_collector_duration_seconds")),
                            "{{collector}} {{cluster}}",
                        )
                    ],
                ),
                height=10,
            ),
            *row(
                timeseries(
                    "Time since success",
                    "Time since each collector last succeeded, the ten longest.",
                    "s",
                    [
                        Query(
                            top(10, now(last, by="cluster, collector")), "{{collector}} {{cluster}}"
                        )
                    ],
                ),
                timeseries(
                    "Collects that took too long",
                    "In the window, the ten collectors with most.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                increase(
                                    own("airwarden_collector_timeouts_total"),
                                    by="cluster, collector",
                                ),
                            ),
                            "{{collector}} {{cluster}}",
                        )
                    ],
                ),
                timeseries(
                    "Age of what a replica gives",
                    "How far behind the replica is that a collector reads its values from.",
                    "s",
                    [
                        Query(
                            top(10, by_collector("airwarden_collector_source_lag_seconds")),
                            "{{collector}} {{cluster}}",
                        )
                    ],
                    no_value=none_now("no collector reads from a replica"),
                ),
            ),
        ),
    )


def _cost() -> Section:
    queries = rate(own("airwarden_db_query_seconds_total"), by="query")
    rows = rate(own("airwarden_db_query_rows_total"), by="query")
    return Section(
        "What measuring costs",
        (
            *row(
                timeseries(
                    "Time in the database",
                    "Seconds a second that the exporter waits for its queries, the ten costliest.",
                    "s",
                    [Query(top(10, queries), "{{query}}")],
                ),
                timeseries(
                    "Rows read",
                    "Rows a second that its queries give, the ten largest.",
                    "ops",
                    [Query(top(10, rows), "{{query}}")],
                ),
                timeseries(
                    "Assembling the page",
                    "How long the last assembly of the metrics page took.",
                    "s",
                    [Query(f"max({own('airwarden_render_duration_seconds')})", "page")],
                ),
            ),
            *row(
                timeseries(
                    "Series",
                    "Series shown of each metric, the ten with most.",
                    "short",
                    [Query(top(10, f"sum by (metric) ({own('airwarden_series')})"), "{{metric}}")],
                ),
                timeseries(
                    "Series left out",
                    "Label sets summed under _overflow or left out, in the window, the ten metrics "
                    "with most.",
                    "short",
                    [
                        Query(
                            top(10, increase(own("airwarden_series_dropped_total"), by="metric")),
                            "{{metric}}",
                        )
                    ],
                    no_value=none_now("nothing is left out"),
                ),
                timeseries(
                    "StatsD",
                    "Datagrams that the exporter took and passed on, per second, and samples lost.",
                    "ops",
                    [
                        Query(rate(own("airwarden_statsd_datagrams_total")), "taken"),
                        Query(rate(own("airwarden_statsd_forwarded_total")), "passed on"),
                        Query(rate(own("airwarden_statsd_lost_total"), by="reason"), "{{reason}}"),
                    ],
                    no_value=Source.STATSD,
                ),
            ),
        ),
    )


def _remediator(limits: Limits) -> Section:
    loop = now(own("airwarden_remediator_loop_timestamp_seconds"), by="cluster")
    return Section(
        "Remediator",
        (
            *row(
                timeseries(
                    "Lease and loop",
                    "Time since the lease was renewed, and since the leader last ended a turn.",
                    "s",
                    [
                        Query(f"max({own('airwarden_lease_age_seconds')})", "lease"),
                        Query(f"max({loop})", "loop"),
                    ],
                ),
                timeseries(
                    "Changes of leader",
                    "The fencing token: each step is a new leader.",
                    "short",
                    [Query(f"max({own('airwarden_lease_token')})", "token")],
                    minimum=None,
                ),
                timeseries(
                    "Inbox",
                    "Deliveries stored and not decided on, and those set aside for a person.",
                    "short",
                    [
                        Query(f"sum({own('airwarden_inbox_pending')})", "pending"),
                        Query(f"sum({own('airwarden_inbox_set_aside')})", "set aside"),
                    ],
                    more=REMEDIATION,
                ),
            ),
            *row(
                timeseries(
                    "Oldest alert not decided on",
                    "Age of the oldest delivery in the inbox.",
                    "s",
                    [Query(f"max({own('airwarden_inbox_oldest_age_seconds')})", "oldest")],
                ),
                timeseries(
                    "Notices waiting",
                    "How long the oldest message or page of each channel has waited. The line is "
                    "the alert's for pages.",
                    "s",
                    [Query(f"max by (channel) ({own(_OUTBOX)})", "{{channel}}")],
                    limit=limits.page_wait_seconds,
                ),
                timeseries(
                    "Notices pending or given up",
                    "Messages and pages not delivered yet, and those that were given up.",
                    "short",
                    [
                        Query(
                            f"sum by (channel) ({own('airwarden_outbox_pending')})",
                            "pending {{channel}}",
                        ),
                        Query(
                            f"sum by (channel) ({own('airwarden_outbox_given_up')})",
                            "given up {{channel}}",
                        ),
                    ],
                ),
            ),
        ),
    )


def _journal() -> Section:
    signed = own("airwarden_audit_signed_off_timestamp_seconds")
    swept = own("airwarden_retention_last_success_timestamp_seconds")
    return Section(
        "Journal and audit",
        (
            *numbers(
                stat(
                    "Audit",
                    "Whether the audit's chain held when it was last followed.",
                    "percentunit",
                    [Query(f"min({own('airwarden_audit_intact')})")],
                    steps=at_least(1),
                    no_value="no remediator",
                ),
                stat(
                    "Entries not signed off",
                    "Entries of the audit after its last checkpoint.",
                    "short",
                    [
                        Query(
                            f"max({own('airwarden_audit_entries')}) - "
                            f"max({own('airwarden_audit_signed_off_entries')})"
                        )
                    ],
                    no_value="no remediator",
                ),
                stat(
                    "Retention",
                    "Whether the last sweep for old rows reached its end.",
                    "percentunit",
                    [Query(f"min({own('airwarden_retention_success')})")],
                    steps=at_least(1),
                    no_value="no remediator",
                ),
                stat(
                    "Alerts left out",
                    "Alerts that Alertmanager left out of what it delivered, in the window.",
                    "none",
                    [
                        Query(
                            f"max(increase({own('airwarden_intake_truncated_alerts_total')}[$window]))"
                        )
                    ],
                    steps=any_is(RED),
                    decimals=0,
                    no_value="no remediator",
                ),
            ),
            *row(
                timeseries(
                    "Journal's size",
                    "SQLite's file, or the tables and indexes in PostgreSQL.",
                    "bytes",
                    [Query(f"max({own('airwarden_journal_size_bytes')})", "journal")],
                ),
                timeseries(
                    "Rows taken out",
                    "By retention, in the window, by kind.",
                    "short",
                    [
                        Query(
                            increase(own("airwarden_retention_pruned_total"), by="kind"), "{{kind}}"
                        )
                    ],
                ),
                timeseries(
                    "Time since audit and retention",
                    "Time since the audit was signed off, and since a sweep reached its end.",
                    "s",
                    [
                        Query(f"min({now(signed, by='cluster')})", "audit"),
                        Query(f"min({now(swept, by='cluster')})", "retention"),
                    ],
                ),
            ),
        ),
    )


def _taken() -> Section:
    taken = own("airwarden_remediator_alerts_taken")
    reload = own("airwarden_config_last_reload_timestamp_seconds")
    return Section(
        "Alerts taken, versions",
        row(
            timeseries(
                "Alerts taken",
                "Alerts firing now that are durably taken, the twenty with most. What is not taken "
                "within two minutes, Alertmanager pages for itself.",
                "short",
                [Query(top(20, f"sum by (alertname) ({taken})"), "{{alertname}}")],
                no_value=none_now("no alert is taken"),
            ),
            timeseries(
                "Versions",
                "Programs by version: two while an upgrade rolls.",
                "short",
                [Query(f"count by (version) ({own('airwarden_build_info')})", "{{version}}")],
            ),
            timeseries(
                "Age of the configuration",
                "Time since the configuration in force was read.",
                "s",
                [Query(f"max({now(reload, by='cluster')})", "oldest")],
            ),
        ),
        collapsed=True,
    )
