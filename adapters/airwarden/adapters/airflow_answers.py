"""What apache-airflow-client returns, as our own values."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from airwarden.core.platform import Dag, DagRun, Pool, TaskInstance, TaskKey


def utc(moment: datetime | None) -> datetime | None:
    """Return a moment in UTC."""
    return moment.astimezone(UTC) if moment else None


def _text(value: Any) -> str:
    """Return an enumeration member's value, or the string itself."""
    return str(getattr(value, "value", value))


def dag_of(dag: Any) -> Dag:
    """Return a DAG."""
    return Dag(
        dag_id=dag.dag_id,
        is_paused=dag.is_paused,
        tags=tuple(sorted(tag.name for tag in dag.tags)),
        is_stale=dag.is_stale,
        has_import_errors=bool(dag.has_import_errors),
    )


def pool_of(pool: Any) -> Pool:
    """Return a pool."""
    return Pool(
        name=pool.name,
        slots=pool.slots,
        running=pool.running_slots,
        queued=pool.queued_slots,
        scheduled=pool.scheduled_slots,
        deferred=pool.deferred_slots,
        open=pool.open_slots,
        include_deferred=pool.include_deferred,
    )


def task_instance_of(instance: Any) -> TaskInstance:
    """Return a task instance, or an attempt of its history, which has no id."""
    id_ = getattr(instance, "id", None)
    return TaskInstance(
        key=TaskKey(
            instance.dag_id, instance.dag_run_id, instance.task_id, int(instance.map_index)
        ),
        id=str(uuid.UUID(str(id_))) if id_ else "",
        state=_text(instance.state) if instance.state is not None else None,
        try_number=instance.try_number,
        max_tries=instance.max_tries,
        pool=instance.pool,
        queue=instance.queue or "default",
        hostname=instance.hostname or "",
        start_date=utc(instance.start_date),
        end_date=utc(instance.end_date),
        queued_when=utc(instance.queued_when),
        scheduled_when=utc(instance.scheduled_when),
        pool_slots=instance.pool_slots,
        operator=instance.operator or "",
        **_deferral(instance),
    )


def _deferral(instance: Any) -> dict[str, Any]:
    """Return what a deferred task instance waits with, and where; an attempt of the past has neither."""
    trigger, job = (getattr(instance, name, None) for name in ("trigger", "triggerer_job"))
    if trigger is None:
        return {}
    return {
        "trigger": str(trigger.classpath),
        "triggerer": (job.hostname or "") if job else "",
        "deferred_since": utc(trigger.created_date),
    }


def dag_run_of(run: Any) -> DagRun:
    """Return a run."""
    return DagRun(
        dag_id=run.dag_id,
        run_id=run.dag_run_id,
        state=_text(run.state),
        run_type=_text(run.run_type),
        start_date=utc(run.start_date),
        end_date=utc(run.end_date),
        run_after=utc(run.run_after),
        queued_at=utc(run.queued_at),
    )
