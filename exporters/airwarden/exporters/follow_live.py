"""Which task instances came, began or went between two looks at the live ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_BEGUN = frozenset({"running", "restarting", "deferred", "up_for_reschedule"})
_ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Live:
    """One look, by ids.

    Attributes:
        under_way: In any state between scheduled and ended.
        begun: Those of them that have begun to run.
        ended: Those that ran lately and are over.
    """

    under_way: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, str | None]]) -> Live:
        """Make one of the rows of `live_task_ids`."""
        ids = {str(row["state"]): frozenset((row["ids"] or "").split()) for row in rows}
        ended = ids.pop(_ENDED, frozenset())
        begun = [found for state, found in ids.items() if state in _BEGUN]
        return cls(frozenset().union(*ids.values()), frozenset().union(*begun), ended)


@dataclass(slots=True)
class LiveFollower:
    """The look before."""

    _before: Live = field(default_factory=Live)

    def changed(self, live: Live) -> frozenset[str]:
        """Return the ids of which something has to be counted, or may have to be.

        One that is new may follow an attempt that was never seen; one that is gone has ended; one that
        ended within a single interval was never under way at a look.
        """
        before = self._before
        return (
            (live.under_way ^ before.under_way)
            | (live.begun - before.begun)
            | (live.ended - before.ended)
        )

    def take(self, live: Live) -> None:
        """Take a look as the one before the next."""
        self._before = live
