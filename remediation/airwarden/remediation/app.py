"""The remediator, put together: its loops, its edge, and a clean stop.

Composed by the command line, which builds the real adapters; a test composes it with fakes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import SecretStr

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError, NotFoundError, UnavailableError, WrongInputError
from airwarden.core.ports import ChatSocket
from airwarden.remediation.acknowledging import Acknowledging
from airwarden.remediation.actions.base import Action
from airwarden.remediation.by_hand import ByHand
from airwarden.remediation.calls import ThreadedCalls
from airwarden.remediation.case import Parts
from airwarden.remediation.chat_orders import ChatOrders, Whisper
from airwarden.remediation.checks.base import Check
from airwarden.remediation.composition import Composition, RemediatorConfig
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.store import FencedError, Journal
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.operations import Operations
from airwarden.remediation.outbox import JournalAlarm, Sender, journal_gone
from airwarden.remediation.poll import CurrentAlertmanager, Poller
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.silencing import Silencing
from airwarden.remediation.switches import stop_everything
from airwarden.remediation.telemetry import Telemetry
from airwarden.remediation.telling import senders
from airwarden.remediation.triage import Triage
from airwarden.remediation.upkeep import Upkeep
from airwarden.remediation.windowing import Windowing
from airwarden.remediation.work import ThreadedCrew

if TYPE_CHECKING:
    from airwarden.remediation.api.server import Server

_log = structlog.get_logger(__name__)
#: Seconds in which wakes count as one, and between two looks at what the metrics show.
_TOGETHER, _LOOK_EVERY = 0.05, 0.25
#: Seconds after which a transaction's connection is cut; the server's own timeouts are 5 and 15 s.
_OVERDUE = 20.0
#: Seconds that a stop may take: supervisors kill after ten.
STOP_WITHIN = 5.0


class Remediator:
    """Takes alerts, heals what it may, and tells people.

    Args:
        journal: Open and migrated; closed by `stop`.
        clock: Its `wait` returns early when the process stops.
        composition: What is in force at first.
        actions: By name.
        checks: By name.
        config: See `RemediatorConfig`.
        reload: Reads the configuration anew; raises WrongInputError, and the old one stays.
        runbook: Returns an alert's runbook as Markdown, for `/runbooks`; raises NotFoundError.
        chat_socket: By which a chat tells what was pressed; None where it reaches us, or nobody presses.

    Raises:
        WrongInputError: The address cannot be bound, a token is empty, or another process works on
            the same SQLite journal.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        composition: Composition,
        actions: Mapping[str, Action],
        checks: Mapping[str, Check],
        config: RemediatorConfig,
        reload: Callable[[], Composition] | None = None,
        runbook: Callable[[str], str] | None = None,
        chat_socket: ChatSocket | None = None,
    ) -> None:
        _require_tokens(config)
        self._journal, self._clock, self._config = journal, clock, config
        self._composition = composition
        self._reload_from = reload
        self._runbook = runbook or _no_runbook
        self._chat_socket = chat_socket
        self._stopping, self._awake = threading.Event(), threading.Event()
        self._poll_now = threading.Event()
        self._turned_at = clock.elapsed()
        self._looked_at = 0.0
        self._trouble: UnavailableError | None = None
        self._threads: list[threading.Thread] = []
        self._calls = ThreadedCalls()
        self.leadership = Leadership(journal, clock, config.lease)
        self.leadership.claim()
        self.telemetry = Telemetry(lambda: self._composition.worlds, lambda: self.leadership.leads)
        self.telemetry.reloaded(ok=True, at=clock.now().timestamp())
        self._writer = writer = InboxWriter(journal)
        poller = (
            Poller(
                journal,
                CurrentAlertmanager(lambda: self._composition.alertmanager),
                writer,
                self._calls,
                config.poll,
            )
            if composition.alertmanager is not None
            else None
        )
        self._parts = Parts(
            journal=journal,
            leadership=self.leadership,
            worlds=lambda: self._composition.worlds,
            playbooks=lambda: self._composition.playbooks,
            actions=actions,
            checks=checks,
            calls=self._calls,
            telemetry=self.telemetry,
            poller=poller,
            kill_switch_file=config.kill_switch_file,
            windows=lambda: self._composition.windows,
        )
        self._upkeep = Upkeep(journal, self.leadership, clock, config.audit, config.retention)
        self._crew = ThreadedCrew(clock, self._wake)
        triage = Triage(
            journal,
            lambda: self._composition.playbooks,
            lambda: self._composition.worlds,
            actions,
            self.telemetry,
        )
        self._lookouts = ThreadedCrew(clock, _nobody, threads=4)
        self._engine = Engine(self._parts, triage, self._crew, clock, self._lookouts)
        self._senders = senders(journal, lambda: self._composition)
        operations = Operations(self._parts, self._wake)
        self._operations = operations
        self._acknowledging = Acknowledging(journal, operations, lambda: self._composition.pages)
        self._silencing = Silencing(
            journal, lambda: self._composition.alertmanager, self._calls, self._wake
        )
        self._orders = ChatOrders(operations, self._silencing, lambda: self._composition.operators)
        self._alarm = JournalAlarm(
            composition.pager,
            lambda view, action: self._composition.pager_composer(view, action),
            lambda error: journal_gone(sorted(self._composition.worlds), clock.now(), error),
            clock,
            # Calls of its own: what else hangs must not hold this page back.
            ThreadedCalls(),
            config.alarm_after,
        )
        try:
            self._server = self._make_server(writer)
        except BaseException:
            self.leadership.abandon()
            raise

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    def start(self) -> None:
        """Begin to take alerts and to work; returns at once."""
        if self._config.stopped_at_start:
            with self._journal.write() as tx:
                stop_everything(tx, set_by="environment", reason=self._config.stopped_at_start)
        loops = {
            "lease": self._lease_loop,
            "engine": self._engine_loop,
            "upkeep": self._upkeep_loop,
            "watch": self._watch_loop,
            "acknowledgements": self._acknowledge_loop,
        }
        if self._parts.poller is not None:
            loops["poll"] = self._poll_loop
        for name, loop in loops.items():
            self._spawn(name, loop)
        for sender in self._senders:
            self._spawn(f"send-{sender.channel}", partial(self._send_loop, sender))
        self._server.start()
        if self._chat_socket is not None:
            self._chat_socket.open(self._pressed)
        config = self._config
        _log.info(
            "remediator listens",
            host=config.host,
            port=self.port,
            tls=config.tls is not None,
            asks_nobody="runbooks, probes" + (", metrics" if config.metrics_open else ""),
        )

    def run(self) -> None:
        """Start, and return when `stop` was called or the clock says that the process stops."""
        self.start()
        while not self._stopping.is_set() and not self._clock.wait(1.0):
            pass
        self.stop()

    def stop(self, within: float = STOP_WITHIN) -> None:
        """Stop taking alerts, finish what is under way, let go of the lease, all `within` seconds.

        What hangs is left as it stands in the journal, as a crash would leave it, and the lease with it:
        a successor must not read back an effect that may still be on its way.
        """
        if self._stopping.is_set() and not self._threads:
            return
        until = self._clock.elapsed() + within
        self._stopping.set()
        for event in (self._awake, self._poll_now):
            event.set()
        if self._chat_socket is not None:
            self._chat_socket.close()
        # Half of it: whoever holds a connection open must not take the time of what acts.
        self._server.stop(within / 2)
        hanging = [*self._crew.stop(self._left(until)), *self._lookouts.stop(self._left(until))]
        for thread in self._threads:
            thread.join(self._left(until))
        hanging += [thread.name for thread in self._threads if thread.is_alive()]
        self._threads.clear()
        if hanging:
            _log.warning("stopped before these were over; the next leader looks", hanging=hanging)
        else:
            self._let_go(max(1.0, self._left(until)))
        self._journal.close()

    def _left(self, until: float) -> float:
        return max(0.0, until - self._clock.elapsed())

    def _let_go(self, within: float) -> None:
        try:
            self._calls.run(self.leadership.stop, deadline=within, key="lease")
        except AirwardenError as error:
            _log.warning("lease not released: it runs out", error=str(error))

    def reload(self) -> tuple[str, ...]:
        """Read the configuration anew and put it in force as a whole.

        Returns:
            The settings that changed and take effect at the next start only.

        Raises:
            WrongInputError: It is wrong; what was in force stays, and a metric shows it.
        """
        if self._reload_from is None:
            raise WrongInputError("this remediator cannot reload its configuration")
        try:
            self._composition = self._reload_from()
        except AirwardenError:
            self.telemetry.reloaded(ok=False, at=self._clock.now().timestamp())
            raise
        self._alarm.pager = self._composition.pager
        self.telemetry.reloaded(ok=True, at=self._clock.now().timestamp())
        self._wake()
        return self._composition.restart_for

    # --- loops ------------------------------------------------------------------------------------

    def _spawn(self, name: str, loop: Callable[[], None]) -> None:
        thread = threading.Thread(target=loop, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _lease_loop(self) -> None:
        while not self._stopping.is_set():
            wait = 1.0
            try:
                led = self.leadership.leads
                wait = self.leadership.step()
                if self.leadership.leads and not led:
                    self._wake()
            except Exception:  # without this thread nobody would lead again
                _log.exception("lease loop")
            self._stopping.wait(wait)

    def _engine_loop(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                self._turn()
            except Exception:  # what fails is logged and tried again; /readyz tells of the delay
                _log.exception("engine loop")
                self._stopping.wait(1.0)
            if self._awake.wait(self._config.turn):
                # What comes in the same instant is worked off together.
                self._stopping.wait(_TOGETHER)

    def _turn(self) -> None:
        try:
            self._engine.tick()
            if self._clock.elapsed() - self._looked_at >= _LOOK_EVERY:
                self._engine.look()
                self._looked_at = self._clock.elapsed()
        except UnavailableError as error:
            self._trouble = error
            _log.warning("the journal does not answer", error=str(error))
        else:
            self._trouble = None
            # A journal that can be read and not written is gone too: nobody can lead then.
            if self.leadership.trouble is None:
                self._turned_at = self._clock.elapsed()

    def _watch_loop(self) -> None:
        """Page past the journal when it is gone; in a thread that never waits for it."""
        while not self._stopping.is_set():
            try:
                self._watch()
            except Exception:  # the one page past the journal hangs on this loop
                _log.exception("watch loop")
            self._stopping.wait(1.0)

    def _watch(self) -> None:
        self._journal.cut_overdue(_OVERDUE)
        trouble = self.leadership.trouble or self._trouble or self._writer.trouble
        silent = self._clock.elapsed() - self.leadership.answered_at
        if trouble is None and silent > 2 * self._config.lease.renew:
            # Not refused, but swallowed: whoever asked is still waiting for an answer.
            trouble = UnavailableError(f"journal: no answer for {silent:.0f} s")
        if trouble is None:
            self._alarm.back()
        else:
            self._alarm.gone(trouble)

    def _poll_loop(self) -> None:
        poller = self._parts.poller
        if poller is None:
            return
        while not self._stopping.is_set():
            self._poll_now.clear()
            try:
                if self.leadership.leads and poller.poll(self.leadership.fence):
                    self._wake()
            except FencedError as error:
                _log.info("poll dropped", reason=str(error))
            except AirwardenError as error:
                _log.warning("poll failed", error=str(error))
            except Exception:  # the next poll may find what this one could not read
                _log.exception("poll loop")
            self._poll_now.wait(self._config.poll.every if self.leadership.leads else 1.0)

    def _acknowledge_loop(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.leadership.leads:
                    self._acknowledging.poll()
            except AirwardenError as error:
                _log.info("pages not asked about", reason=str(error))
            except Exception:  # the next turn may find what this one could not read
                _log.exception("acknowledgements loop")
            self._stopping.wait(self._composition.acknowledged_every)

    def _pressed(self, payload: Mapping[str, Any]) -> None:
        answer = self._orders.follow(payload)
        if answer is not None:
            self._whisper(answer)

    def _whisper(self, answer: Whisper) -> None:
        whispers = self._composition.whispers
        try:
            if whispers is not None:
                whispers.whisper(answer.channel, answer.person, answer.text)
        except AirwardenError as error:
            _log.warning("a person in chat was not answered", error=str(error))

    def _send_loop(self, sender: Sender) -> None:
        while not self._stopping.is_set():
            try:
                if self.leadership.leads:
                    sender.step(self.leadership.fence)
            except (FencedError, UnavailableError) as error:
                _log.info("sending postponed", channel=sender.channel, reason=str(error))
            except Exception:  # the notice stays in the outbox
                _log.exception("send loop")
            self._stopping.wait(min(self._config.turn, 1.0))

    def _upkeep_loop(self) -> None:
        while not self._stopping.is_set():
            wait = 1.0
            try:
                wait = self._upkeep.step()
                self.telemetry.keep(self._upkeep.state)
            except Exception:  # keeping house must never end with one bad night
                _log.exception("upkeep loop")
            self._stopping.wait(wait)

    def _wake(self) -> None:
        self._awake.set()

    # --- parts ------------------------------------------------------------------------------------

    def _make_server(self, writer: InboxWriter) -> Server:
        from airwarden.remediation.api.intake_gate import IntakeGate
        from airwarden.remediation.api.routes import Edge, build_app
        from airwarden.remediation.api.server import Server
        from airwarden.remediation.api.signed import SignedEdge

        gate = IntakeGate(
            writer,
            backlog=lambda: self.telemetry.snapshot.inbox,
            poll_soon=self._poll_now.set,
            wake=self._wake,
            truncated=self.telemetry.truncated,
        )
        edge = Edge(
            gate=gate,
            operations=self._operations,
            silencing=self._silencing,
            windowing=Windowing(self._parts, self._wake),
            promotion=Promotion(self._parts, self._wake),
            by_hand=ByHand(self._parts, self._wake),
            operators=lambda: self._composition.operators,
            metrics_open=self._config.metrics_open,
            rate=self._config.rate,
            elapsed=self._clock.elapsed,
            signed=SignedEdge(
                signing=lambda: self._composition.signing,
                acknowledging=self._acknowledging,
                orders=self._orders,
                whisper=self._whisper,
                now=lambda: self._clock.now().timestamp(),
                elapsed=self._clock.elapsed,
            ),
            registry=self.telemetry.registry,
            webhook_token=self._config.webhook_token,
            api_token=self._config.api_token,
            alive=self._why_dead,
            ready=self._why_not_ready,
            reload=self.reload,
            runbook=self._runbook,
        )
        app = build_app(edge, metadata.version("airwarden"))
        if self._composition.console.enabled:
            from airwarden.remediation.console.build import build_site, on_the_edge

            back = on_the_edge(
                edge,
                self._parts,
                terms=lambda: self._composition.console,
                later=lambda: self._composition.restart_for,
            )
            app.router.routes.extend(build_site(back).routes())
        return Server(app, self._config.host, self._config.port, tls=self._config.tls)

    def _why_dead(self) -> str:
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"loops ended: {', '.join(dead)}" if dead else ""

    def _why_not_ready(self) -> str:
        age = self._clock.elapsed() - self._turned_at
        if age > 15:
            return f"the journal has not answered for {age:.0f} s"
        if self._calls.overdue:
            return f"{self._calls.overdue} calls are overdue"
        return ""


def _nobody() -> None:
    """Wake nobody: a look around makes no run due."""


def _no_runbook(name: str) -> str:
    raise NotFoundError(f"there is no runbook {name!r}")


def _require_tokens(config: RemediatorConfig) -> None:
    for name in ("webhook_token", "api_token"):
        token: SecretStr = getattr(config, name)
        if not token.get_secret_value().strip():
            raise WrongInputError("is empty", place=f"remediator.{name}")
