"""Playbooks: how each stands, a run by hand rehearsed and begun, its mode, and the change that promotes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airwarden.core.durations import parse_duration
from airwarden.core.errors import NotFoundError, WrongInputError
from airwarden.remediation.by_hand import Order, Rehearsal
from airwarden.remediation.console.desk import Pages
from airwarden.remediation.console.web import BASE, Answer, Asked, see
from airwarden.remediation.decide.correlate import LoadedPlaybook
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.operators import Right
from airwarden.remediation.playbook import ActionStep, HumanStep, Step, UndoStep, WaitStep
from airwarden.remediation.promotion import NewMode, Scorecard

_ACTING = (Mode.APPROVE, Mode.AUTO)


@dataclass(frozen=True, slots=True)
class Change:
    """What makes a playbook act, for whoever keeps the settings.

    Attributes:
        mode: What it is to be.
        text: The change, as it stands in the settings file.
        missing: What it has not earned yet, in sentences.
        override: That it needs a reason in `override_reason`.
    """

    mode: Mode
    text: str
    missing: Sequence[str]
    override: bool


class Playbooks(Pages):
    """The list, one playbook, and orders about it."""

    def listed(self, asked: Asked) -> Answer:
        """Answer `/playbooks`."""
        cluster = self._cluster(asked.text("cluster", 128))
        cards = self.desk.promotion.scorecards(cluster=cluster)
        cards = sorted(cards, key=lambda one: (-one.mode.rank, -one.tally.fired, one.playbook))
        with self.desk.parts.journal.read() as tx:
            return self.page(
                asked,
                "playbooks.html",
                tx,
                title="Playbooks",
                cards=cards,
                chosen=cluster,
                books=self.desk.parts.playbooks().by_name,
            )

    def _cluster(self, wanted: str) -> str:
        """Return the cluster that is looked at: the first where none is chosen."""
        known = sorted(self.desk.parts.worlds())
        if wanted and wanted not in known:
            raise NotFoundError(f"there is no cluster {wanted!r}")
        return wanted or (known[0] if known else EVERYWHERE)

    def show(self, asked: Asked) -> Answer:
        """Answer `/playbooks/NAME`."""
        return self._show(asked)

    def _loaded(self, asked: Asked) -> LoadedPlaybook:
        name = asked.place["name"]
        found = self.desk.parts.playbooks().by_name.get(name)
        if found is None:
            raise NotFoundError(f"there is no playbook {name[:64]!r}")
        return found

    def _show(
        self, asked: Asked, rehearsal: Rehearsal | None = None, order: Order | None = None
    ) -> Answer:
        loaded = self._loaded(asked)
        book = loaded.playbook
        cluster = self._cluster(order.cluster if order else asked.text("cluster", 128))
        card = self.desk.promotion.scorecards(playbook=book.name, cluster=cluster, firings=True)[0]
        wanted = asked.text("promote", 10)
        change = (
            _change(loaded, card, Mode(wanted), self.desk.terms().shown)
            if (wanted in [one.value for one in _ACTING])
            else None
        )
        with self.desk.parts.journal.read() as tx:
            return self.page(
                asked,
                "playbook.html",
                tx,
                title=book.title,
                book=book,
                loaded=loaded,
                card=card,
                chosen=cluster,
                steps=[(one.id, [_step(step) for step in one.steps]) for one in book.ordered],
                next_mode=_next(loaded.mode),
                modes=[one for one in Mode if one.rank <= loaded.mode.rank],
                change=change,
                rehearsal=rehearsal,
                target=dict(order.target) if order else {},
                since=asked.form.get("since", ""),
            )

    def rehearse(self, asked: Asked) -> Answer:
        """Show what a run would do now."""
        order = self._order(asked)
        return self._show(asked, self.desk.by_hand.rehearse(order), order)

    def begin(self, asked: Asked) -> Answer:
        """Begin exactly the run that was shown."""
        view = self.desk.by_hand.begin(
            self._order(asked),
            plan=asked.field("plan", 64),
            by=asked.who.operator.name,
            reason=asked.field("reason"),
        )
        return see(f"{BASE}/incidents/{view.incident_id}?told=begun")

    def _order(self, asked: Asked) -> Order:
        book = self._loaded(asked).playbook
        target = {label: asked.field(f"target.{label}", 512) for label in book.correlate}
        since = asked.field("since", 20)
        try:
            long_ago = parse_duration(since) if since else timedelta(0)
        except ValueError as error:
            raise WrongInputError(str(error), place="since") from None
        chosen = {label: value for label, value in target.items() if value}
        return Order(book.name, chosen, asked.field("cluster", 128), long_ago)

    def set_mode(self, asked: Asked) -> Answer:
        """Lower a mode, or take that back."""
        book, wanted = self._loaded(asked).playbook, asked.field("mode", 10)
        if wanted and wanted not in [one.value for one in Mode]:
            raise WrongInputError("is off, shadow, approve or auto", place="mode")
        operators, person = self.desk.reception.operators(), asked.who.operator
        self.desk.promotion.set_mode(
            NewMode(
                book.name,
                Mode(wanted) if wanted else None,
                asked.field("reason"),
                asked.field("cluster", 128) or EVERYWHERE,
                override=asked.field("override"),
            ),
            by=person.name,
            may_raise=lambda: operators.require(person, Right.ARM),
            may_override=lambda: operators.require(person, Right.OVERRIDE),
        )
        return see(f"{BASE}/playbooks/{book.name}?told=mode")


def _next(mode: Mode) -> Mode | None:
    """Return the next mode in which it acts, None where there is none above."""
    return {Mode.AUTO: None, Mode.APPROVE: Mode.AUTO}.get(mode, Mode.APPROVE)


def _change(
    loaded: LoadedPlaybook, card: Scorecard, mode: Mode, shown: Mapping[str, Any]
) -> Change:
    ceiling = Mode(str(shown.get("remediator", {}).get("mode", Mode.SHADOW)))
    unearned = card.earned.rank < mode.rank
    lines = []
    if ceiling.rank < mode.rank:
        lines += ["remediator:", f"  mode: {mode}  # was {ceiling}: the most that any playbook may"]
    lines += ["playbooks:", f"  {loaded.playbook.name}:", f"    mode: {mode}"]
    if unearned:
        lines.append('    override_reason: "…"  # not earned yet: say why; it goes into the audit')
    return Change(mode, "\n".join(lines), card.missing if unearned else (), unearned)


def _step(step: Step) -> tuple[str, str, str]:
    """Return a step's id, what it does, and with what."""
    match step:
        case ActionStep():
            with_what = ", ".join(f"{key}={value}" for key, value in step.parameters.items())
            return step.id, step.action + (" (optional)" if step.optional else ""), with_what
        case WaitStep():
            return step.id, f"wait for {step.wait.check}", ""
        case UndoStep():
            return step.id, f"take back {step.undo}", ""
        case HumanStep():
            return step.id, "a person", step.human
