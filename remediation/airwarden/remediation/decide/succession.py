"""When a standby may take the lease, judged from what it has seen itself and what the database says.

The database's time decides, as long as it agrees with what the standby has watched on its own clock,
which never steps: a lease that was renewed a moment ago is not taken because the database's clock
jumped ahead or its row was deleted, and one that nobody renews is taken although that clock was set
back. Whoever has watched nothing yet believes the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """The lease as it stands in the journal now.

    Attributes:
        token, renewed_at: Which renewal it is.
        life: Seconds that the renewal was given.
        age: Seconds since the renewal, by the database's clock.
    """

    token: int
    renewed_at: datetime
    life: float
    age: float


@dataclass(frozen=True, slots=True)
class Watch:
    """One renewal and since when it has been watched.

    Attributes:
        since: The watcher's elapsed seconds when the renewal was seen first.
    """

    seen: Seen
    since: float


def watch(last: Watch | None, seen: Seen | None, elapsed: float) -> Watch | None:
    """Return what is watched from now on; a row that is gone is remembered as it was."""
    if seen is None:
        return last
    if last is None:
        # Watched by others before: its age so far is the database's word.
        return Watch(seen, elapsed - min(max(seen.age, 0.0), seen.life))
    same = (last.seen.token, last.seen.renewed_at) == (seen.token, seen.renewed_at)
    # A holder that lets go shortens the renewal's life and leaves the rest.
    return Watch(seen, last.since if same else elapsed)


def may_take(watched: Watch | None, seen: Seen | None, elapsed: float, *, slack: float) -> bool:
    """Return whether the lease is free.

    Args:
        watched: What `watch` returned for this look.
        seen: The lease as it stands now, None where there is no row.
        elapsed: The watcher's clock, which counts suspension and never steps.
        slack: Seconds within which a renewal is noticed: two looks of a standby.
    """
    if watched is None:
        return True
    quiet = elapsed - watched.since
    if seen is None:
        return quiet >= watched.seen.life
    if seen.age >= seen.life:
        return quiet >= seen.life - slack
    return quiet >= seen.life + slack
