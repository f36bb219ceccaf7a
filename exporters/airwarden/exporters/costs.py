"""What one collect of each collector asks of the systems that it observes, for the reference page.

How often it does is the collector's interval; how long it takes was measured (docs/reference/benchmarks.md),
and `airwarden_db_query_seconds_total` and `airwarden_collector_duration_seconds` measure it on the spot.
"""

from __future__ import annotations

from collections.abc import Mapping

_STATISTICS = "PostgreSQL's statistics alone"
_LIVE = "the unfinished tasks, by the index on state; one read serves all collectors for four seconds and a half"

#: Collector → what it asks for.
COSTS: Mapping[str, str] = {
    "api_server": "one request",
    "asset_reports": "one query by id of the asset events since",
    "assets": "one query by index for the assets with a target; a DAG's last success once",
    "broker": "a handful of commands, whatever is queued",
    "canaries": "one query by index for each canary's last runs, or one request",
    "celery_tasks": "two queries of unfinished tasks, one command, and what the workers hold",
    "consistency": "one query, by indexes and partial indexes",
    "dag_health": "nothing: it takes what dag_runs follows; once, the last ten runs of each critical DAG",
    "dag_runs": "five queries by index; follows what changed, not history",
    "dags": "a digest of all DAGs once a minute, shared by all labels; the rows when it has changed",
    "database": "a SELECT 1 on a connection of its own, and PostgreSQL's sessions",
    "database_activity": _STATISTICS,
    "database_statements": _STATISTICS,
    "database_tables": _STATISTICS,
    "deadlines": "one query of the deadlines that are open or were missed lately",
    "dependencies": "one request or connection each",
    "deployments": "one query by id of the versions since",
    "events": "nothing: it takes what is sent",
    "heartbeats": "one query of the running jobs, or one request",
    "host": "one request",
    "kubernetes_pods": "one watch of a second for what changed; at first, and when that is too old, a list by pages of 500",
    "kubernetes_workloads": "five lists of few objects",
    "late_runs": "one query of late and due runs, by partial indexes; ages it takes from what dag_runs follows",
    "machine": "three files under /proc",
    "mapped": "nothing: Prometheus evaluates it",
    "mariadb": "three statements of the server's own state",
    "parsing": "two queries of DAG files; the DAGs that were never stored every five minutes",
    "pooler": "one statement on the console",
    "pools": _LIVE,
    "queries": "nothing: it adds up what the others did",
    "reported": "nothing: it takes what is sent, and asks what airwarden.yaml states",
    "scheduler_lag": "one query by partial indexes",
    "statsd": "nothing: it takes what is sent",
    "tagged_dags": "three queries by index, where DAGs carry such tags; follows what changed, not history",
    "task_events": "one query by id of the audit log since",
    "task_failures": "one query by index of the attempts that failed since; a bounded log tail, where asked for",
    "task_instances": _LIVE,
    "triggers": "one query of the triggers",
    "waiting": f"{_LIVE}; and one query of what holds tasks back",
    "workers": "four broadcasts, each answered by every worker",
}
