"""The first row: what an on-call engineer looks at first."""

from __future__ import annotations

from airwarden.dashboards.boards.itself import collectors
from airwarden.dashboards.boards.remediation import open_incidents
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.names import DATABASE, REMEDIATION, SCHEDULER, TYPES, WORKERS
from airwarden.dashboards.panels import (
    GREEN,
    RED,
    YELLOW,
    at_least,
    at_most,
    override,
    stat,
    table,
)
from airwarden.dashboards.queries import ENDED_RUNS, Query, counted, series

#: Prometheus' own series of what fires; Watchdog always does.
FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog",cluster=~"$cluster"}'


def now() -> Section:
    """Return alerts, incidents, and one light for each part of the chain."""
    return Section(
        "Now",
        (
            Sized(
                stat(
                    "Critical alerts",
                    "Critical alerts that fire now. Zero is green; anything else pages somebody "
                    "unless the remediator heals it first.",
                    "none",
                    [
                        Query(
                            'count(ALERTS{alertstate="firing",severity="critical",'
                            'cluster=~"$cluster"}) or vector(0)'
                        )
                    ],
                    steps=at_most(1),
                ),
                3,
                4,
            ),
            Sized(
                stat(
                    "Warnings",
                    "Warnings that fire now; they go to Slack.",
                    "none",
                    [
                        Query(
                            'count(ALERTS{alertstate="firing",severity="warning",'
                            'cluster=~"$cluster"}) or vector(0)'
                        )
                    ],
                    steps=[{"color": GREEN, "value": None}, {"color": YELLOW, "value": 1}],
                ),
                3,
                4,
            ),
            Sized(open_incidents(REMEDIATION), 3, 4),
            Sized(
                stat(
                    "Components up",
                    "Share of schedulers, triggerers, dag-processors, API servers and workers that "
                    "report or answer now.",
                    "percentunit",
                    [Query(f"avg({series('airwarden_component_up')})")],
                    steps=at_least(1),
                    decimals=0,
                    more=SCHEDULER,
                ),
                3,
                4,
            ),
            Sized(
                stat(
                    "Metadata database",
                    "Whether the database answers the exporter's probe.",
                    "percentunit",
                    [Query(f"min({series('airwarden_db_up')})")],
                    steps=at_least(1),
                    no_value="no DSN",
                    more=DATABASE,
                ),
                3,
                4,
            ),
            Sized(
                stat(
                    "Broker",
                    "Whether the Celery broker answers PING.",
                    "percentunit",
                    [Query(f"min({series('airwarden_broker_up')})")],
                    steps=at_least(1),
                    no_value="no broker",
                    more=WORKERS,
                ),
                3,
                4,
            ),
            Sized(
                stat(
                    "Runs finished, 1 h",
                    "DAG runs that ended within the last hour, with any outcome. Zero on a busy "
                    "platform means that nothing is scheduled, or nothing is measured.",
                    "short",
                    [Query(counted(series(ENDED_RUNS, "tier", "team"), over="1h"))],
                    decimals=0,
                    more=TYPES,
                ),
                3,
                4,
            ),
            Sized(collectors(), 3, 4),
            Sized(_firing_table(), 24, 7),
        ),
    )


def _firing_table() -> object:
    labels = "alertname, severity, cluster, component, team, queue, hostname"
    return table(
        "Alerts firing",
        "What fires now, worst first. Inhibited and silenced alerts are listed too: they fire, "
        "but nobody is told. Each alert's name is the name of its runbook.",
        "none",
        [Query(f"topk(100, count by ({labels}) ({FIRING}))", instant=True)],
        columns={
            "severity": "Severity",
            "alertname": "Alert",
            "cluster": "Cluster",
            "component": "Component",
            "team": "Team",
            "queue": "Queue",
            "hostname": "Host",
            "Value #A": "Series",
        },
        overrides=[
            override(
                "Severity",
                mappings=[
                    {
                        "type": "value",
                        "options": {
                            "critical": {"color": RED, "index": 0},
                            "warning": {"color": YELLOW, "index": 1},
                        },
                    }
                ],
                custom_cellOptions={"type": "color-text"},
            )
        ],
        no_value="no alert fires",
    )
