"""Rails: the kill switch, what lowers modes, breakers, budgets, windows."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.durations import parse_duration
from airwarden.core.errors import WrongInputError
from airwarden.remediation.console import reads
from airwarden.remediation.console.desk import Pages
from airwarden.remediation.console.web import BASE, Answer, Asked, see
from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.journal import rails
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.operators import Right


class Rails(Pages):
    """What holds effects back."""

    def show(self, asked: Asked) -> Answer:
        """Answer `/rails`."""
        windows = self.desk.windowing.listed()
        with self.desk.parts.journal.read() as tx:
            switches = rails.switches(tx)
            return self.page(
                asked,
                "rails.html",
                tx,
                title="Rails",
                stops=[one for one in switches if rails.stops(one.scope)],
                lowered=[one for one in switches if not rails.stops(one.scope)],
                breakers=reads.breakers(tx),
                budgets=reads.budgets(tx),
                windows=windows,
                playbooks=sorted(self.desk.parts.playbooks().by_name),
                file=self.desk.parts.kill_switch_file,
            )

    def stop(self, asked: Asked) -> Answer:
        """Pull the kill switch, once it was confirmed."""
        if asked.field("sure") != "yes":
            raise WrongInputError("Say that you mean it: tick the box beside the button.")
        self.desk.operations.pause(
            by=asked.who.operator.name,
            reason=asked.field("reason"),
            cluster=asked.field("cluster", 128) or EVERYWHERE,
            playbook=asked.field("playbook", 64),
        )
        return see(f"{BASE}/rails?told=paused")

    def resume(self, asked: Asked) -> Answer:
        """Let effects begin again."""
        self.desk.operations.resume(
            by=asked.who.operator.name,
            reason=asked.field("reason"),
            cluster=asked.field("cluster", 128) or EVERYWHERE,
            playbook=asked.field("playbook", 64),
        )
        return see(f"{BASE}/rails?told=resumed")

    def maintain(self, asked: Asked) -> Answer:
        """Open a maintenance window from now on."""
        self.desk.windowing.begin(
            Kind.MAINTENANCE,
            by=asked.who.operator.name,
            lasts=_duration(asked.field("for", 20)),
            reason=asked.field("reason"),
            cluster=asked.field("cluster", 128) or EVERYWHERE,
        )
        return see(f"{BASE}/rails?told=window")

    def end_window(self, asked: Asked) -> Answer:
        """End a window; a freeze or quiet hours take who may arm."""
        number = asked.number()
        if self.desk.windowing.kind_of(number) in (Kind.FREEZE, Kind.QUIET):
            self.desk.reception.operators().require(asked.who.operator, Right.ARM)
        self.desk.windowing.end(number, by=asked.who.operator.name)
        return see(f"{BASE}/rails?told=ended")


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise WrongInputError(str(error), place="for") from None
