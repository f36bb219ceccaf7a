"""Where reports come in and verdicts are asked for: the books of all clusters."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.errors import WrongInputError
from airwarden.core.failures import Failure
from airwarden.exporters.failures.book import MOST_KEPT, FailureBook
from airwarden.exporters.failures.reports import read_report

_ASKED = frozenset({"cluster", "dag", "task", "cause", "limit"})


class FailureDesk:
    """Keeps one book a cluster; safe for threads.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._books: dict[str, FailureBook] = {}

    def book(self, cluster: str) -> FailureBook:
        """Return a cluster's book; the one that it had, if it had one."""
        with self._lock:
            return self._books.setdefault(cluster, FailureBook(self._clock))

    def keep(self, clusters: Iterable[str]) -> None:
        """Forget the books of clusters that are no longer observed."""
        wanted = set(clusters)
        with self._lock:
            self._books = {name: book for name, book in self._books.items() if name in wanted}

    def report(self, body: bytes) -> None:
        """Take a report of a listener.

        Raises:
            WrongInputError: It is not of the listener's form, or of a cluster that is not observed.
        """
        reported = read_report(body)
        self._named(reported.cluster).report(reported)

    def listing(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return failures with their causes, the newest first.

        Args:
            query: `cluster`, `dag`, `task`, `cause` and `limit` (20), all optional.

        Raises:
            WrongInputError: An unknown key, cluster, or a limit that is no number.
        """
        if unknown := sorted(query.keys() - _ASKED):
            raise WrongInputError(
                f"is not known; there are {', '.join(sorted(_ASKED))}", place=unknown[0]
            )
        limit = query.get("limit") or "20"
        if not limit.isascii() or not limit.isdigit() or len(limit) > 6:
            raise WrongInputError(f"{limit[:20]!r} is no number", place="limit")
        with self._lock:
            clusters = [query["cluster"]] if query.get("cluster") else sorted(self._books)
        found: list[tuple[str, Failure]] = []
        for cluster in clusters:
            failures: Sequence[Failure] = self._named(cluster).find(
                query.get("dag", ""),
                query.get("task", ""),
                query.get("cause", ""),
                limit=min(int(limit), MOST_KEPT),
            )
            found += [(cluster, one) for one in failures]
        found.sort(key=lambda one: one[1].at, reverse=True)
        return [_shown(cluster, one) for cluster, one in found[: int(limit)]]

    def _named(self, cluster: str) -> FailureBook:
        with self._lock:
            books = dict(self._books)
        if not cluster and len(books) == 1:
            return next(iter(books.values()))
        if cluster not in books:
            known = ", ".join(sorted(books)) or "none"
            raise WrongInputError(f"is not one of the clusters {known}", place="cluster")
        return books[cluster]


def _shown(cluster: str, one: Failure) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "cluster": cluster,
        "dag_id": one.key.dag_id,
        "run_id": one.key.run_id,
        "task_id": one.key.task_id,
        "map_index": one.key.map_index,
        "try_number": one.key.try_number,
        "at": one.at.isoformat(),
        "final": one.final,
        "tier": one.tier,
        "team": one.team,
        "operator": one.operator,
        "hostname": one.hostname,
        "cause": verdict.cause.value,
        "why": verdict.why,
        "evidence": {
            "source": verdict.source,
            "exception": verdict.exception,
            "code": verdict.code,
            "event": verdict.event,
            "connections": list(one.connections) or [verdict.connection] * bool(verdict.connection),
            "fingerprint": verdict.fingerprint,
        },
    }
