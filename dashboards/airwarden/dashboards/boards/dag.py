"""How does one DAG do, and is it alone with its trouble?

Only DAGs of the tier critical, the worst others, and those with a freshness target have series of their
own: a series for each of 15,000 DAGs would cost more than it tells. For the rest there is the way to
Airflow's own page.
"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import DAG, DATA, TASKS, TYPES
from airwarden.dashboards.panels import at_most, cell_link, override, stat, table, text, timeseries
from airwarden.dashboards.queries import (
    DELAYS_OF_TIERS,
    ENDED_RUNS,
    Query,
    counted,
    increase,
    now,
    recorded_quantile,
    series,
    top,
)

_FAILURES = "airwarden_dag_consecutive_failures"
_SUCCESS = "airwarden_dag_last_success_timestamp_seconds"
_ABSENT = "no series"


def dag(config: DashboardConfig) -> dict[str, Any]:
    """Return the drill-down to one DAG."""
    return dashboard(
        DAG,
        (_one(config), _around(config.limits), _tracked(config.limits)),
        with_dag=True,
        since="now-24h",
    )


def _one(config: DashboardConfig) -> Section:
    failures = f"max({series(_FAILURES, dag_id='$dag')})"
    success = now(series(_SUCCESS, dag_id="$dag"), by="cluster")
    asset = {"asset": "dag:$dag"}
    age = now(series("airwarden_asset_last_update_timestamp_seconds", **asset), by="cluster")
    allowed = f"max by (cluster) ({series('airwarden_asset_freshness_sla_seconds', **asset)})"
    limits = config.limits
    return Section(
        "$dag",
        (
            *numbers(
                stat(
                    "Failed in a row",
                    "Failed runs since the last good one. No series: none has failed lately, or the "
                    "DAG has none of its own.",
                    "none",
                    [Query(failures)],
                    steps=at_most(limits.consecutive_failures),
                    no_value=_ABSENT,
                ),
                stat(
                    "Last good run",
                    "Time since it ended; known of DAGs of the tier critical.",
                    "s",
                    [Query(f"min({success})")],
                    no_value=_ABSENT,
                ),
                stat(
                    "Age against its promise",
                    "Time since its last good run in multiples of its tag sla:DURATION.",
                    "none",
                    [Query(f"max(({age}) / on (cluster) {allowed})")],
                    steps=at_most(limits.freshness_factor),
                    decimals=2,
                    no_value="no promise: tag it sla:1h",
                ),
            ),
            *row(
                timeseries(
                    "Failed in a row, over time",
                    "Failed runs since the last good one.",
                    "short",
                    [
                        Query(
                            f"max by (cluster) ({series(_FAILURES, dag_id='$dag')})", "{{cluster}}"
                        )
                    ],
                    limit=limits.consecutive_failures,
                    no_value="No series: none has failed lately, or the DAG has none of its own",
                ),
                timeseries(
                    "Time since its last good run",
                    "It climbs until a run ends well. The line of its promise is the SLA.",
                    "s",
                    [
                        Query(success, "since success {{cluster}}"),
                        Query(allowed, "promise {{cluster}}"),
                    ],
                    no_value="No series: the DAG is not of the tier critical and has no promise",
                ),
                text(
                    "Where to look further",
                    "A DAG without series of its own, and what Airwarden did about this one.",
                    _further(config),
                ),
            ),
        ),
    )


_WITHOUT_ADDRESSES = (
    "- in the console: `/console/dags` below the address of the remediator\n"
    "- in Airflow: `/dags/` and its name below the address of your Airflow"
)


def _further(config: DashboardConfig) -> str:
    links = [
        f"- [{cluster}: ${{dag}} in Airflow]({url.rstrip('/')}/dags/${{dag}})"
        for cluster, url in sorted(config.airflow.items())
    ]
    if config.console:
        links[:0] = [
            f"- [{cluster}: ${{dag}}, read live in the console]"
            f"({config.console}/dags/{cluster}/${{dag}})"
            for cluster in sorted(config.airflow)
        ]
    pages = "\n".join(links)
    return (
        "Only DAGs of the tier critical, the fifty that fail worst, and those with a promise "
        "(`sla:1h`) have series of their own. Any other DAG is read live:\n\n"
        f"{pages or _WITHOUT_ADDRESSES}\n"
        "- what Airwarden did about it: the console's incidents, or `airwarden incidents`, then"
        " `airwarden explain ID`\n"
        "- why its tasks failed: the causes and evidence below, and the task's log\n"
    )


def _around(limits: Limits) -> Section:
    chosen = ("tier", "team")
    failed = counted(series(ENDED_RUNS, *chosen, state="failed"), by="team", over="10m")
    ended = counted(series(ENDED_RUNS, *chosen, state="~success|failed"), by="team", over="10m")
    delay = series(DELAYS_OF_TIERS, "tier")
    causes = increase(series("airwarden_task_failures_total", "tier", "team"), by="cause")
    return Section(
        "Is it alone? (choose its team and tier above)",
        row(
            timeseries(
                "Failed runs of its team",
                "Failed among finished runs of 10 minutes, the ten worst of the chosen teams.",
                "percentunit",
                [Query(top(10, f"{failed} / ({ended} > 0)"), "{{team}}")],
                limit=limits.team_failure_ratio,
                maximum=1,
                more=TYPES,
            ),
            timeseries(
                "Schedule delay of its tier",
                "p95 of the time from due to started, in the window, of all teams.",
                "s",
                [Query(recorded_quantile(0.95, delay, by="tier"), "{{tier}}")],
                limit=limits.schedule_delay_seconds,
            ),
            timeseries(
                "Causes of failed attempts",
                "Failed attempts of the chosen teams and tiers in the window, by cause.",
                "short",
                [Query(causes, "{{cause}}")],
                stacked=True,
                more=TASKS,
            ),
        ),
    )


def _tracked(limits: Limits) -> Section:
    labels = "cluster, dag_id, tier, team"
    failing = series(_FAILURES, "tier", "team", dag_id="!~_overflow")
    last = now(series(_SUCCESS, "tier", "team"), by=labels)
    link = override("DAG", links=cell_link("This DAG", DAG.link(dag="${__value.raw}")))
    columns = {"dag_id": "DAG", "cluster": "Cluster", "tier": "Tier", "team": "Team"}
    return Section(
        "DAGs with series of their own",
        row(
            table(
                "DAGs that fail",
                "The fifty DAGs with most failed runs in a row; a click chooses one.",
                "none",
                [Query(top(50, f"max by ({labels}) ({failing})"), instant=True)],
                columns={**columns, "Value #A": "Failed in a row"},
                overrides=[
                    link,
                    override(
                        "Failed in a row",
                        thresholds={
                            "mode": "absolute",
                            "steps": list(at_most(limits.consecutive_failures)),
                        },
                        custom_cellOptions={"type": "color-text"},
                    ),
                ],
                sort_by="Failed in a row",
                no_value="no DAG fails",
                more=DATA,
            ),
            table(
                "Critical DAGs, longest without success",
                "The fifty DAGs of the tier critical whose last good run is longest ago.",
                "s",
                [Query(top(50, last), instant=True)],
                columns={**columns, "Value #A": "Since last success"},
                overrides=[link],
                sort_by="Since last success",
                no_value="no DAG of the tier critical has succeeded",
            ),
            height=11,
        ),
    )
