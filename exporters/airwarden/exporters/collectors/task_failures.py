"""Why task attempts fail: each failed attempt gets one cause, from a listener's report, a log, the audit log.

An attempt waits a short time for its evidence. What the audit log says decides at once; then a listener's
report; then the end of its log, the highest tier and the newest first, as far as the rate allows. Of what
is left, another attempt of the same task may stand for it; the rest is unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.failures import Cause, Evidence, Failure, Verdict
from airwarden.exporters.dependency_states import DependencyStates
from airwarden.exporters.failures.attempts import Attempt, FailedAttempts
from airwarden.exporters.failures.book import FailureBook
from airwarden.exporters.failures.classify import AUDIT_LOG, DEPENDENCY, NONE, Classifier
from airwarden.exporters.failures.tails import LogTails
from airwarden.exporters.families import Counter, Family, Labels, foreign_counter, gauge
from airwarden.exporters.labels import TIERS, UNSET

_log = structlog.get_logger(__name__)
SAMPLE = "sample"
SOURCES = (AUDIT_LOG, "listener", "log", SAMPLE, DEPENDENCY, NONE)
#: Seconds for which a listener's report is waited for before the log is asked for.
GRACE = 15.0
#: Attempts that wait for evidence at the same time; beyond, the least important are decided at once.
MOST_WAITING = 5_000
#: Seconds for which one attempt's log stands for others of the same task, and how many tasks.
SAMPLED, MOST_SAMPLES = 600.0, 2_000
#: Connections that are told apart.
MOST_CONNECTIONS = 50
OTHER = "other"
#: Seconds of one collect that may go to reading logs.
READING = 8.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    attempt: Attempt
    since: float


class TaskFailuresCollector:
    """Explains failures.

    Args:
        attempts: Where failed attempts are found.
        classifier: Decides.
        book: Holds reports and keeps verdicts.
        tails: Reads logs; None where none are to be read.
        states: Which dependencies are down.
        clock: Time.
        wait: Seconds for which an attempt waits for its evidence.
    """

    name = "task_failures"
    interval = 10.0
    timeout = 20.0

    def __init__(
        self,
        attempts: FailedAttempts,
        classifier: Classifier,
        book: FailureBook,
        tails: LogTails | None,
        states: DependencyStates,
        clock: Clock,
        *,
        wait: float = 60.0,
    ) -> None:
        self._attempts = attempts
        self._classifier = classifier
        self._book = book
        self._tails = tails
        self._states = states
        self._clock = clock
        self._wait = wait
        self._waiting: list[_Waiting] = []
        self._samples: OrderedDict[tuple[str, str], tuple[float, Verdict]] = OrderedDict()
        self._connections: set[str] = set()
        self._causes = Counter("airwarden_task_failures_total")
        self._sources = Counter("airwarden_task_failures_by_evidence_total")
        self._by_connection = Counter("airwarden_connection_failures_total")
        self._causes.born((cause.value, UNSET, UNSET) for cause in Cause)
        self._sources.born((source,) for source in SOURCES)
        self._by_connection.born([(OTHER,)])

    def collect(self) -> Sequence[Family]:
        """Return the counters; what cannot be read now waits, and is decided without it in the end."""
        now = self._clock.elapsed()
        for attempt in self._attempts.read():
            if not attempt.dag.canary:
                self._causes.born((c.value, attempt.dag.tier, attempt.dag.team) for c in Cause)
                self._waiting.append(_Waiting(attempt, now))
        self._waiting.sort(key=_importance)
        self._waiting = [
            one
            for place, one in enumerate(self._waiting)
            if not self._decided(one, now, full=place >= MOST_WAITING)
        ]
        self._read_logs()
        return [
            self._causes.family(),
            self._sources.family(),
            self._by_connection.family(),
            gauge("airwarden_task_failures_undecided", len(self._waiting)),
            *self._share(),
            foreign_counter(
                "airwarden_failure_reports_total",
                {(outcome,): n for outcome, n in self._book.counts().items()},
            ),
            *self._log_outcomes(),
        ]

    def _decided(self, one: _Waiting, now: float, *, full: bool) -> bool:
        """Decide what needs no log: by report, by audit log, or because it has waited long enough."""
        attempt = one.attempt
        report = self._book.take(attempt.key)
        if report is not None or attempt.events:
            self._decide(attempt, report or Evidence())
            return True
        if now - one.since < self._patience() and not full:
            return False
        sample = self._sample(attempt, now)
        if sample is not None:
            self._settle(attempt, sample)
        else:
            self._decide(attempt, Evidence())
        return True

    def _patience(self) -> float:
        """Return how long an attempt waits: without a listener and without logs nothing will come."""
        return self._wait if self._tails is not None or self._book.listening else GRACE

    def _read_logs(self) -> None:
        """Read logs of those that wait, the most important first."""
        if self._tails is None:
            return
        begun = self._clock.elapsed()
        left: list[_Waiting] = []
        for at, one in enumerate(self._waiting):
            now = self._clock.elapsed()
            if now - begun > READING or not self._tails.may_read():
                left += self._waiting[at:]
                break
            early = self._book.listening and now - one.since < GRACE
            if early or self._sample(one.attempt, now) is not None:
                left.append(one)
                continue
            try:
                evidence = self._tails.read(one.attempt.key)
            except AirwardenError as error:
                _log.warning("no log could be read", error=str(error))
                left += self._waiting[at:]
                break
            self._decide(one.attempt, evidence or Evidence(), sampled=evidence is not None)
        self._waiting = left

    def _decide(self, attempt: Attempt, evidence: Evidence, *, sampled: bool = False) -> None:
        verdict = self._classifier.verdict(
            evidence,
            operator=attempt.operator,
            events=attempt.events,
            down=self._states.down(attempt.dag.depends),
        )
        if sampled:
            self._samples[attempt.key.dag_id, attempt.key.task_id] = (
                self._clock.elapsed(),
                verdict,
            )
            while len(self._samples) > MOST_SAMPLES:
                self._samples.popitem(last=False)
        self._settle(attempt, verdict, evidence.connections)

    def _sample(self, attempt: Attempt, now: float) -> Verdict | None:
        """Return what the log of another attempt of the same task said lately."""
        found = self._samples.get((attempt.key.dag_id, attempt.key.task_id))
        if found is None or now - found[0] > SAMPLED:
            return None
        return replace(found[1], source=SAMPLE)

    def _settle(
        self, attempt: Attempt, verdict: Verdict, connections: tuple[str, ...] = ()
    ) -> None:
        """Count an attempt under its one cause, and keep why."""
        self._causes.add((verdict.cause.value, attempt.dag.tier, attempt.dag.team))
        self._sources.add((verdict.source,))
        if verdict.cause is Cause.DEPENDENCY and verdict.connection:
            self._by_connection.add((self._connection(verdict.connection),))
        self._book.keep(
            Failure(
                attempt.key, attempt.at, attempt.dag.tier, attempt.dag.team, attempt.operator,
                attempt.hostname, attempt.final, verdict, connections,
            )
        )  # fmt: skip

    def _connection(self, name: str) -> str:
        if len(self._connections) < MOST_CONNECTIONS:
            self._connections.add(name)
        return name if name in self._connections else OTHER

    def _share(self) -> list[Family]:
        share = self._book.known_share(self._clock.now())
        return [] if share is None else [gauge("airwarden_task_failures_known_ratio", share)]

    def _log_outcomes(self) -> list[Family]:
        if self._tails is None:
            return []
        outcomes: dict[Labels, float] = {
            (outcome,): n for outcome, n in self._tails.outcomes().items()
        }
        return [foreign_counter("airwarden_log_tails_total", outcomes)]


def _importance(one: _Waiting) -> tuple[int, float]:
    tier = one.attempt.dag.tier
    rank = TIERS.index(tier) if tier in TIERS else len(TIERS)
    return rank, -one.attempt.at.timestamp()
