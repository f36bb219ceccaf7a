"""A client that leaks database connections, as badly written task code does.

Run under supervisord by :func:`localplatform.faults.start_leak`. It signs in as Airflow's
role under the application name ``leaky-etl``, opens sessions and never closes them, until
PostgreSQL refuses. With ``--hold-lock`` its first session also opens a transaction, takes the
lock of the scheduler's critical section and the rows of ``slot_pool``, and then does nothing:
every scheduler goes on beating and queues nothing.

It does not come back for what it has lost: sessions that are ended stay ended. It exits when
all of them are gone.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import psycopg

from localplatform.layout import Platform

APPLICATION_NAME = "leaky-etl"
SCHEDULER_LOCK = 2
"""``airflow.utils.db.DBLocks.SCHEDULER_CRITICAL_SECTION`` of Airflow 3.3.2."""

LOCK_DEADLINE_SECONDS = 30.0


def open_session(dsn: str) -> psycopg.Connection:
    """Open one session that stays open."""
    return psycopg.connect(dsn, application_name=APPLICATION_NAME, connect_timeout=5)


def hold_lock(session: psycopg.Connection) -> None:
    """Take the scheduler's lock and the pool rows in a transaction that is left open."""
    session.execute(f"SET lock_timeout = {int(LOCK_DEADLINE_SECONDS * 1000)}".encode())
    session.commit()
    session.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEDULER_LOCK,))
    session.execute("SELECT 1 FROM slot_pool FOR UPDATE")


def leak(dsn: str, sessions: list[psycopg.Connection], *, per_second: float, leave: int) -> None:
    """Open sessions until refused, then give ``leave`` of them back."""
    while True:
        try:
            sessions.append(open_session(dsn))
        except psycopg.OperationalError as refusal:
            print(f"refused after {len(sessions)} sessions: {refusal}".splitlines()[0], flush=True)
            break
        time.sleep(1 / per_second)
    for _ in range(min(leave, len(sessions) - 1)):
        sessions.pop().close()


def still_open(sessions: list[psycopg.Connection]) -> list[psycopg.Connection]:
    """Return the sessions whose socket the server has not closed."""
    alive: list[psycopg.Connection] = []
    for session in sessions:
        try:
            session.pgconn.consume_input()
        except psycopg.OperationalError:
            session.close()
            continue
        alive.append(session)
    return alive


def main() -> None:
    """Leak until ended, or until the server has ended every session."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--per-second", type=float, default=50.0)
    parser.add_argument("--leave", type=int, default=0)
    parser.add_argument("--hold-lock", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    platform = Platform.load(arguments.state)
    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    sessions = [open_session(dsn)]
    if arguments.hold_lock:
        hold_lock(sessions[0])
    leak(dsn, sessions, per_second=arguments.per_second, leave=arguments.leave)
    while sessions:
        time.sleep(0.5)
        sessions = still_open(sessions)
    print("every session was ended by the server", flush=True)


if __name__ == "__main__":
    main()
