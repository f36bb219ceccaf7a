"""The audit's past, followed again by the leader: a little at each look, round after round.

What is new is followed before it is signed off (`Notary`), once. An entry that somebody changes afterwards
would show only to whoever runs `airwarden audit verify`; so it shows within a round at the latest.
"""

from __future__ import annotations

import structlog

from airwarden.remediation.decide.chain import Point, Walk
from airwarden.remediation.journal import audit, checkpoints
from airwarden.remediation.journal.store import Journal

_log = structlog.get_logger(__name__)

#: Entries followed at one look, some hundredths of a second: a million of them take eight hours.
MOST = 1000


class Patrol:
    """Walks from where the audit is archived to its last checkpoint, and begins again.

    Args:
        journal: The journal; it is only read.
        most: Entries at one step.
    """

    def __init__(self, journal: Journal, most: int = MOST) -> None:
        self._journal = journal
        self._most = most
        self._at: Point | None = None
        self._last: tuple[str, ...] = ()
        self._now: tuple[str, ...] = ()

    def step(self) -> tuple[str, ...]:
        """Follow the next entries; return what did not hold in the last round and in this one.

        Raises:
            UnavailableError: The journal does not answer.
        """
        with self._journal.read() as tx:
            floor = checkpoints.floor(tx)
            marks = {one.seq: one for one in checkpoints.every(tx) if one.seq > floor.seq}
            end = max(marks, default=floor.seq)
            begin = self._at if self._at and floor.seq < self._at.seq < end else floor
            some = audit.page(tx, after=begin.seq, up_to=end, limit=self._most)
            pruned = checkpoints.floor(tx) != floor
        if pruned:
            # What was archived in the same instant may be gone already.
            return self._told
        if begin is floor:
            self._last, self._now = self._now, ()
        walk = Walk(begin, {seq: one for seq, one in marks.items() if seq > begin.seq})
        faults = [fault for entry in some for fault in walk.step(entry)]
        if len(some) < self._most:
            faults += walk.end()
        self._at = walk.at
        if faults:
            _log.error("the audit's past does not hold", faults=faults)
        self._now = (*self._now, *faults)
        return self._told

    @property
    def _told(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._last, *self._now)))
