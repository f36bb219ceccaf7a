"""The leader's loop: take what came in, advance what is due, page, close, and show how it stands."""

from __future__ import annotations

from collections import Counter
from functools import partial

import structlog

from airwarden.core.clock import Clock
from airwarden.remediation import ends
from airwarden.remediation.case import Parts, effective, open_case
from airwarden.remediation.closing import Closer
from airwarden.remediation.decide.states import Mode, RunState
from airwarden.remediation.holding import FLAPPING
from airwarden.remediation.journal import (
    alerts,
    breakers,
    inbox,
    incidents,
    lease,
    outbox,
    rails,
    runs,
    unrest,
)
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.run import Runner
from airwarden.remediation.storm_watch import StormWatch
from airwarden.remediation.switches import latch
from airwarden.remediation.telemetry import Snapshot
from airwarden.remediation.triage import Triage
from airwarden.remediation.watching import EVERY, Watch
from airwarden.remediation.work import Crew

_log = structlog.get_logger(__name__)

#: Seconds between two looks for alerts that fire on although their incident was resolved.
_STUBBORN_EVERY = 30.0


class Engine:
    """One turn of the loop per `tick`; everything it needs to know is in the journal.

    Args:
        parts: What everything works with.
        triage: Takes what came in.
        crew: Does the pieces of work.
        clock: For what is done every few seconds.
        lookouts: Look around at each cluster; apart from the crew, so that clusters that do not answer
            hold no remedy up. None: the crew does it.
    """

    def __init__(
        self,
        parts: Parts,
        triage: Triage,
        crew: Crew,
        clock: Clock,
        lookouts: Crew | None = None,
    ) -> None:
        self._parts = parts
        self._triage = triage
        self._crew = crew
        self._lookouts = lookouts or crew
        self._clock = clock
        self._runner = Runner(parts)
        self._closer = Closer(parts)
        self._promotion = Promotion(parts, lambda: None)
        self._storms = StormWatch(parts, triage)
        self._stubborn_at = 0.0
        self._watch = Watch(parts)
        self._watch_at = 0.0
        self._led_at = 0.0

    def tick(self) -> bool:
        """Do what is due now; returns False where this process does not lead.

        Raises:
            UnavailableError: The journal does not answer.
        """
        # On a standby too: the file may lie on its machine only.
        latch(self._parts.journal, self._parts.kill_switch_file)
        try:
            fence = self._parts.leadership.fence
            self._triage.process_inbox(fence)
            if self._clock.elapsed() >= self._stubborn_at:
                self._stubborn_at = self._clock.elapsed() + _STUBBORN_EVERY
                self._triage.reopen_still_firing(fence)
            self._watch_clusters()
            self._advance()
            self._closer.page_due(fence)
            self._promotion.note_overrides(fence)
        except FencedError as error:
            _log.debug("turn dropped", reason=str(error))
            return False
        self._led_at = self._clock.now().timestamp()
        return True

    def look(self) -> None:
        """Read from the journal what the metrics show; for a standby too."""
        with self._parts.journal.read() as tx:
            held = lease.read(tx)
            switches = rails.switches(tx)
            modes: dict[tuple[str, str], Mode] = {
                (cluster, name): effective(self._parts, switches, name, cluster)
                for cluster in self._parts.worlds()
                for name in self._parts.playbooks().by_name
            }
            snapshot = Snapshot(
                taken=self._taken(tx),
                incidents=incidents.counts(tx),
                inbox=inbox.backlog(tx),
                outbox=outbox.waiting(tx),
                given_up=outbox.given_up(tx),
                storms=unrest.every_storm(tx),
                flapping=unrest.noted(tx, FLAPPING),
                breakers=breakers.positions(tx),
                modes=modes,
                loop_at=self._led_at,
                lease_age=(tx.now - held.renewed_at).total_seconds() if held else None,
                lease_token=held.token if held else 0,
                budgets=rails.budgets_left(tx),
                approvals=rails.approvals_waiting(tx),
            )
        self._parts.telemetry.show(snapshot)

    def _taken(self, tx: Tx) -> dict[tuple[str, str], int]:
        taken = Counter(alerts.firing_counts(tx))
        if self._parts.poller is not None:
            taken.update(self._parts.poller.suppressed(tx.now))
        return dict(taken)

    def _watch_clusters(self) -> None:
        if self._clock.elapsed() < self._watch_at:
            return
        self._watch_at = self._clock.elapsed() + EVERY
        for cluster in self._parts.worlds():
            self._lookouts.do(
                f"watch/{cluster}",
                partial(self._watch.look, cluster),
                lambda error: _log.error("cluster not watched", error=error),
            )

    def _advance(self) -> None:
        with self._parts.journal.read() as tx:
            waiting = runs.due(tx)
        for run_id in waiting:
            self._crew.do(
                f"run/{run_id}",
                partial(self._runner.advance, run_id),
                partial(self._give_up, run_id),
            )
        with self._parts.journal.read() as tx:
            quiet, storms = self._closer.due(tx), self._storms.due(tx)
        for incident_id in quiet:
            self._crew.do(
                f"incident/{incident_id}",
                partial(self._closer.look, incident_id),
                lambda error: _log.error("incident not looked after", error=error),
            )
        for incident_id in storms:
            self._crew.do(
                f"incident/{incident_id}",
                partial(self._storms.look, incident_id),
                lambda error: _log.error("storm not looked after", error=error),
            )

    def _give_up(self, run_id: int, error: str) -> None:
        """A run that only raises errors of ours is a human's: silence would be worse."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            case = open_case(self._parts, tx, run_id)
            if case is None or case.run.state.terminal:
                return
            sure = all(a.state.settled for a in case.attempts)
            state = RunState.FAILED if sure else RunState.UNKNOWN
            if case.run.state is RunState.PLANNED and not sure:
                state = RunState.FAILED
            ends.escalate(self._parts, tx, case, f"an error in Airwarden: {error}", state=state)
