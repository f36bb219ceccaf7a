"""A journal with a long past: thousands of incidents with alerts, runs, attempts and their stories."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update

from airwarden.remediation.decide.chain import canonical
from airwarden.remediation.journal import runs, tables
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.playbook import Playbook

_STORY = (
    ("incident", "AirflowSchedulerProcessDown fires; the incident is opened."),
    ("incident", "Playbook {book} takes it."),
    ("confirm", "Confirmed 2 time(s): scheduler is frozen."),
    ("attempt", "Intent: restart scheduler."),
    ("attempt", "Done: restart scheduler."),
    ("verify", "scheduler is healthy."),
    ("incident", "Healthy and stable: resolved."),
)


def fill(journal: Journal, books: list[Playbook], count: int, *, every: timedelta) -> None:
    """Write `count` healed incidents, the newest ending now, `every` apart, over these playbooks."""
    from airwarden.remediation.actions.base import Danger
    from airwarden.remediation.decide.states import Mode

    with journal.write() as tx:
        for book in books:
            runs.pin_playbook(tx, book, Mode.AUTO, Danger.B)
        first = (tx.connection.execute(select(func.max(tables.incident.c.id))).scalar() or 0) + 1
        run = (tx.connection.execute(select(func.max(tables.run.c.id))).scalar() or 0) + 1
        head = tx.connection.execute(select(tables.audit_head.c.seq)).scalar_one()
        incidents, alerts, done, tried, story = [], [], [], [], []
        for n in range(count):
            at, book = tx.now - (count - n) * every, books[n % len(books)]
            ended = at + timedelta(minutes=4)
            number = first + n
            incidents.append(_incident(number, at, ended, book.name))
            alerts.append(_alert(number, at, ended))
            done.append(_run(run + n, number, at, ended, book.sha256))
            tried.append(_attempt(run + n, at))
            for line, (action, sentence) in enumerate(_STORY):
                head += 1
                story.append(
                    {
                        "seq": head,
                        "at": at + timedelta(seconds=30 * line),
                        "actor": "airwarden",
                        "action": action,
                        "object": f"incident/{number}",
                        "before": "{}",
                        "after": canonical({"sentence": sentence.format(book=book.name)}),
                        "prev_hash": "0" * 64,
                        "hash": f"{head:064x}",
                    }
                )
        for table, rows in (
            (tables.incident, incidents),
            (tables.alert, alerts),
            (tables.run, done),
            (tables.attempt, tried),
            (tables.audit, story),
        ):
            tx.connection.execute(insert(table), rows)
        tx.connection.execute(update(tables.audit_head).values(seq=head, hash=f"{head:064x}"))
        if tx.connection.dialect.name == "postgresql":  # what numbers itself goes on behind these
            for name, used in (("incident", first + count), ("run", run + count)):
                tx.connection.execute(select(func.setval(f"{name}_id_seq", used)))


def _incident(number: int, at: datetime, ended: datetime, book: str) -> dict[str, object]:
    return {
        "id": number, "cluster": "lab", "correlation_key": f"{book}/{number}", "playbook": book,
        "title": f"Scheduler {number} is dead or frozen", "state": "RESOLVED", "rev": 5,
        "severity": "critical", "mode": "auto",
        "labels": json.dumps({"component": "scheduler", "process": f"scheduler{number}"}),
        "reason": "healthy and stable", "started_at": at, "opened_at": at, "updated_at": ended,
        "ended_at": ended, "dedup_key": f"lab/{number}",
    }  # fmt: skip


def _alert(number: int, at: datetime, ended: datetime) -> dict[str, object]:
    return {
        "source": "history", "fingerprint": f"{number:016x}", "cluster": "lab",
        "name": "AirflowSchedulerProcessDown", "episode": at, "status": "resolved",
        "severity": "critical", "labels": json.dumps({"alertname": "AirflowSchedulerProcessDown"}),
        "annotations": "{}", "last_event": f"{number:064x}", "last_seen": ended, "ended_at": ended,
        "incident_id": number,
    }  # fmt: skip


def _run(run: int, number: int, at: datetime, ended: datetime, sha: str) -> dict[str, object]:
    return {
        "id": run, "cluster": "lab", "incident_id": number, "playbook_sha": sha, "generation": 1,
        "mode": "auto", "state": "SUCCEEDED", "started_at": at, "fault_since": at, "deadline": ended,
        "first_effect_at": at, "ended_at": ended, "next_at": ended,
    }  # fmt: skip


def _attempt(run: int, at: datetime) -> dict[str, object]:
    return {
        "cluster": "lab", "run_id": run, "step_seq": 0, "step_id": "restart", "attempt_no": 1,
        "idem_key": f"history-{run}", "target": f"lab/process/scheduler{run}",
        "action": "process.restart", "danger": "B", "state": "CONFIRMED", "fence_token": 1,
        "summary": "restart scheduler", "before_json": '{"pid": 42}',
        "request_json": json.dumps(
            {
                "action": "process.restart", "target": f"lab/process/scheduler{run}",
                "parameters": {"state": "restarted"}, "before": {"pid": 42},
                "summary": "restart scheduler", "generation": "1", "dead": True,
                "removes_capacity": False,
            }
        ),
        "observed_json": '{"pid": 43}', "created_at": at, "started_at": at, "deadline": 30.0,
        "finished_at": at,
    }  # fmt: skip
