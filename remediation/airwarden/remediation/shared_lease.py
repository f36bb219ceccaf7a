"""A lease of another program's in the journal's PostgreSQL, behind the port `Lease`.

The exporters' does not depend on the remediator's being up: the database may be away when it starts, and
the schema is brought up to date when it answers first.
"""

from __future__ import annotations

import structlog
from sqlalchemy.exc import DBAPIError

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.remediation.journal.connect import connect, parse_url
from airwarden.remediation.journal.migrate import migrate
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.leadership import Leadership, LeaseTimes

_log = structlog.get_logger(__name__)


class SharedLease:
    """One process's claim.

    Args:
        url: `postgresql+psycopg://…`.
        clock: Time; its elapsed seconds count suspension.
        name: Whose lease: each name has a row of its own.
        life: Seconds after which another one may take it that is not renewed.

    Raises:
        WrongInputError: The URL is none of PostgreSQL.
    """

    def __init__(self, url: str, clock: Clock, *, name: str, life: float) -> None:
        if not parse_url(url).drivername.startswith("postgresql"):
            raise WrongInputError(
                "exporters on several machines agree through PostgreSQL, and this is SQLite",
                place="exporter.lease",
                hint="give exporter.lease.url_file, or a PostgreSQL journal",
            )
        self._engines = connect(url, program=f"airwarden-{name}")
        self._journal = Journal(self._engines, clock)
        self._poll = min(1.0, life / 15)
        times = LeaseTimes(
            ttl=life, renew=life / 3, standby_poll=self._poll, self_fence=life * 2 / 3
        )
        self._claim = Leadership(self._journal, clock, times, name=name)
        self._migrated = False
        self._told = False

    @property
    def claimed(self) -> bool:
        """Whether it was ours when the database last answered."""
        return self._claim.claimed

    def step(self) -> float:
        """Take or renew it; return the seconds after which to call again."""
        if not self._migrated and not self._migrate():
            return self._poll
        return self._claim.step()

    def remaining(self) -> float:
        """Return the seconds for which it is surely ours, 0 where it is not."""
        return self._claim.remaining()

    def stop(self) -> None:
        """Let go of it and close the connections."""
        self._claim.stop()
        self._journal.close()

    def _migrate(self) -> bool:
        try:
            migrate(self._engines)
        except (DBAPIError, AirwardenError) as error:
            if not self._told:
                why = error.orig if isinstance(error, DBAPIError) else error
                _log.error("no lease: another exporter may be active", error=str(why).strip())
            self._told = True
            return False
        self._migrated = True
        return True
