"""What the pages stand on, and the frame that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import SecretStr

from airwarden.core.errors import AirwardenError, RejectedError
from airwarden.remediation.by_hand import ByHand
from airwarden.remediation.case import Parts
from airwarden.remediation.console.reception import Reception
from airwarden.remediation.console.render import environment
from airwarden.remediation.console.web import BASE, Answer, Asked, inside
from airwarden.remediation.console_terms import ConsoleTerms
from airwarden.remediation.journal import rails
from airwarden.remediation.journal.rails import Switch
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operators, Right
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.switches import file_says
from airwarden.remediation.windowing import Windowing

#: The pages that are reached from everywhere: address, name, and the sign of it.
NAVIGATION = (
    ("/", "Now"),
    ("/incidents", "Incidents"),
    ("/playbooks", "Playbooks"),
    ("/rails", "Rails"),
    ("/dags", "DAGs"),
    ("/audit", "Audit"),
    ("/configuration", "Configuration"),
)


@dataclass(frozen=True, slots=True)
class Back:
    """What the console stands on: the very orders that the API gives, and the journal to read.

    Attributes:
        operators: Those of the settings, as they are known now.
        common_token: The operators' common token.
        terms: As they are in force now.
        elapsed: Seconds of a clock that only goes forward.
        ready: Why no alert should be sent here now, or empty.
        later: Settings that changed and are taken up at the next start only.
    """

    parts: Parts
    operations: Operations
    windowing: Windowing
    promotion: Promotion
    by_hand: ByHand
    operators: Callable[[], Operators]
    common_token: SecretStr
    terms: Callable[[], ConsoleTerms]
    elapsed: Callable[[], float]
    ready: Callable[[], str]
    later: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Desk(Back):
    """What the pages stand on: the same, and who knows the people that ask for them."""

    reception: Reception

    @classmethod
    def with_reception(cls, back: Back, reception: Reception) -> Desk:
        """Return the desk that stands on this."""
        return cls(
            **{one.name: getattr(back, one.name) for one in fields(back)}, reception=reception
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page.

    Attributes:
        killed: The kill switches that are set, the widest first.
        file: Why the kill switch file stops everything, or empty.
        waiting: How many plans wait for a yes.
    """

    killed: Sequence[Switch]
    file: str
    waiting: int


class Pages:
    """A group of pages; the base of all of them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def page(
        self, asked: Asked, template: str, tx: Tx, *, title: str, status: int = 200, **values: Any
    ) -> Answer:
        """Return a page, or only its changing part where that was asked for."""
        frame = Frame(
            killed=[one for one in rails.switches(tx) if rails.stops(one.scope)],
            file=file_says(self.desk.parts.kill_switch_file),
            waiting=sum(rails.approvals_waiting(tx).values()),
        )
        body = (
            environment()
            .get_template(template)
            .render(
                title=title,
                now=tx.now,
                frame=frame,
                asked=asked,
                navigation=NAVIGATION,
                operator=asked.who.operator,
                visit=asked.who.visit,
                csrf=asked.who.visit.csrf,
                may=lambda name: self.may(asked, Right[name]),
                clusters=sorted(self.desk.parts.worlds()),
                told=TOLD.get(asked.query.get("told", ""), ""),
                ready=self.desk.ready(),
                layout="part.html" if asked.part else "whole.html",
                **values,
            )
        )
        return Answer(body, status)

    def may(self, asked: Asked, right: Right) -> bool:
        """Return whether who asks has a right, for what is offered; the order itself is judged again."""
        try:
            self.desk.reception.operators().require(asked.who.operator, right)
        except RejectedError:
            return False
        return True

    def refused(self, asked: Asked, status: int, said: str) -> Answer:
        """Return the page that says why something was not done, or not shown."""
        back = inside(asked.form.get("back", "") or asked.path.rpartition("/")[0])
        if asked.method != "POST":
            back = f"{BASE}/"
        values = {"said": said, "back": back}
        if asked.visitor is not None and status != 503:
            try:
                with self.desk.parts.journal.read() as tx:
                    return self.page(
                        replace(asked, part=False), "refused.html", tx, title="Not done",
                        status=status, **values,
                    )  # fmt: skip
            except AirwardenError:
                pass  # then the plain page, which reads nothing
        body = (
            environment()
            .get_template("plain.html")
            .render(title="Not done", status=status, **values)
        )
        headers = {"Retry-After": "5"} if status == 503 else {}
        return Answer(body, status, headers=headers)


#: What an order says on the page after it. Only these words are shown, whatever the address holds.
TOLD = {
    "taken": "You have it: nothing more is done about it by itself.",
    "released": "Given back: Airwarden goes on with it.",
    "approved": "Approved: the plan is carried out as you were shown it.",
    "denied": "Denied: the plan is dropped.",
    "closed": "Closed.",
    "judged": "Your verdict is kept and counts on the scorecard.",
    "paused": "Stopped: no effect begins until somebody resumes.",
    "resumed": "Effects may begin again.",
    "window": "The window is open: nothing is done in it.",
    "ended": "The window is ended.",
    "mode": "The mode is set.",
    "begun": "The run is begun.",
}
