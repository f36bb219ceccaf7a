-- dag_warnings: what Airflow warns of (a pool that does not exist, …); one row a DAG and kind.
SELECT warning_type AS warning, count(*)::int AS dags FROM dag_warning GROUP BY warning_type;
