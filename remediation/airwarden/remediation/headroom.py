"""How many of the metadata database's connection slots are taken."""

from __future__ import annotations

from dataclasses import dataclass

from airwarden.core.errors import AirwardenError
from airwarden.remediation.components import database_pace
from airwarden.remediation.world import World

#: Said where that cannot be read.
UNREAD = "the number of taken connections cannot be read"


@dataclass(frozen=True, slots=True)
class Headroom:
    """Connections in use and how many ordinary clients may have."""

    used: int
    most: int

    @property
    def share(self) -> float:
        """Used slots, 0 to 1 and above where reserved slots are in use as well."""
        return self.used / self.most if self.most else 1.0

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return f"{self.used} of {self.most} database connections are taken ({self.share:.0%})"


def connection_headroom(world: World) -> Headroom | None:
    """Return the headroom, None where it cannot be read.

    The sessions of the whole server count, since those of other databases take the same slots.
    """
    if world.database is None:
        return None
    try:
        rows = world.database.rows("connections")
    except AirwardenError:
        return None
    if not rows:
        return None
    return Headroom(sum(int(row["sessions"]) for row in rows), int(rows[0]["connections_max"]))


#: Above this share of taken connections nothing is added: each process opens more of them.
_MOST_CONNECTIONS = 0.8


def no_room(world: World, what: str) -> str:
    """Return why the metadata database bears no more of something (`workers`), or nothing."""
    if world.database is None:
        return ""
    pace = database_pace(world)
    if pace.slow:
        return f"{pace.sentence}: more {what} would add to its load"
    room = connection_headroom(world)
    if room is None:
        return f"{UNREAD}: more {what} might take what is left"
    if room.share >= _MOST_CONNECTIONS:
        return f"{room.sentence}: more {what} would take what is left"
    return ""
