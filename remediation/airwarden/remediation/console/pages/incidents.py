"""Incidents: the list, one's whole story, and what a person may do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airwarden.core.errors import WrongInputError
from airwarden.remediation.console import reads
from airwarden.remediation.console.desk import Pages
from airwarden.remediation.console.web import BASE, Answer, Asked, see
from airwarden.remediation.decide.promotion import Judgement
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.explain import Done, Explanation, Line
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.incidents import Wanted
from airwarden.remediation.operators import Right

_PAGE = 50
_STATES = {
    "open": reads.OPEN,
    "ended": reads.ENDED,
    "people": (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED),
    "all": (),
}
#: States in which the engine is at work, so that a person may take it out of its hands.
_TAKEABLE = (IncidentState.ESCALATED, IncidentState.REMEDIATING, IncidentState.STABILIZING)
_CLOSABLE = (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED, IncidentState.STORM_HOLD)
_ATTEMPTS = {
    AttemptState.CONFIRMED: ("done", "good"),
    AttemptState.FAILED: ("failed, nothing was changed", "critical"),
    AttemptState.NOT_DONE: ("did not happen", "warning"),
    AttemptState.UNKNOWN: ("may have happened, being read back", "warning"),
    AttemptState.UNDECIDABLE: ("may have happened, cannot be told", "critical"),
    AttemptState.STARTED: ("under way", "busy"),
    AttemptState.INTENT: ("about to begin", "busy"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One value before an effect, as it was set, and as the target answered."""

    name: str
    before: Any
    wanted: Any
    answered: Any


@dataclass(frozen=True, slots=True)
class Tried:
    """One effect as the page shows it."""

    done: Done
    how: str
    mood: str
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way from alert to health: `mood` is `good`, `busy`, `warning`, `critical`, `none`."""

    name: str
    mood: str
    says: str
    at: datetime | None = None


class Incidents(Pages):
    """The list, a story, and orders."""

    def listed(self, asked: Asked) -> Answer:
        """Answer `/incidents`."""
        chosen = asked.text("state") or "all"
        before = asked.text("before", 16)
        wanted = Wanted(
            states=_STATES.get(chosen, ()),
            cluster=asked.text("cluster", 128),
            playbook=asked.text("playbook", 64),
            limit=_PAGE + 1,
            replayed=False,
            before=int(before) if before.isascii() and before.isdigit() else 0,
        )
        with self.desk.parts.journal.read() as tx:
            found = incidents.search(tx, wanted)
            return self.page(
                asked,
                "incidents.html",
                tx,
                title="Incidents",
                found=found[:_PAGE],
                more=found[_PAGE - 1].id if len(found) > _PAGE else 0,
                chosen=chosen,
                states=list(_STATES),
                wanted=wanted,
                playbooks=sorted(self.desk.parts.playbooks().by_name),
            )

    def show(self, asked: Asked) -> Answer:
        """Answer `/incidents/NUMBER`."""
        story = self.desk.operations.explain(asked.number())
        state = IncidentState(story.state)
        view = story.view
        judgeable = bool(view.effects) and (
            view.shadow or (view.mode is Mode.APPROVE and state.terminal)
        )
        with self.desk.parts.journal.read() as tx:
            return self.page(
                asked,
                "incident.html",
                tx,
                title=f"Incident {story.incident_id}",
                story=story,
                view=view,
                state=state,
                tried=[_tried(one) for one in story.effects],
                stages=_stages(story, state),
                links=_links(story),
                takeable=state in _TAKEABLE,
                closable=state in _CLOSABLE,
                judgeable=judgeable,
                judgements=list(Judgement),
                airflow=self.desk.terms().airflow.get(view.cluster, ""),
            )

    def acknowledge(self, asked: Asked) -> Answer:
        """Take an incident over."""
        number = asked.number()
        self.desk.operations.acknowledge(
            number, by=asked.who.operator.name, reason=asked.field("reason")
        )
        return _back(number, "taken")

    def release(self, asked: Asked) -> Answer:
        """Give it back."""
        number = asked.number()
        self.desk.operations.release(
            number, by=asked.who.operator.name, reason=asked.field("reason")
        )
        return _back(number, "released")

    def approve(self, asked: Asked) -> Answer:
        """Agree to exactly the plan that was shown."""
        return self._decide(asked, "approved")

    def deny(self, asked: Asked) -> Answer:
        """Refuse it."""
        return self._decide(asked, "denied")

    def _decide(self, asked: Asked, decision: str) -> Answer:
        number, nonce = asked.number(), asked.field("nonce", 64)
        if not nonce:
            raise WrongInputError("is missing: it says which plan was shown", place="nonce")
        self.desk.operations.decide(
            number,
            decision=decision,
            by=asked.who.operator.name,
            reason=asked.field("reason"),
            nonce=nonce,
        )
        return _back(number, decision)

    def close(self, asked: Asked) -> Answer:
        """End it, whatever its alerts say."""
        number = asked.number()
        self.desk.operations.close(number, by=asked.who.operator.name, reason=asked.field("reason"))
        return _back(number, "closed")

    def judge(self, asked: Asked) -> Answer:
        """Say whether what was done, or would have been, was right."""
        number, said = asked.number(), asked.field("verdict", 20)
        if said not in {one.value for one in Judgement}:
            raise WrongInputError("is right, wrong or harmful", place="verdict")
        self.desk.promotion.judge(
            number, Judgement(said), by=asked.who.operator.name, reason=asked.field("reason")
        )
        return _back(number, "judged")

    #: Order → the right that it takes, and what does it.
    @property
    def orders(self) -> Mapping[str, tuple[Right, Any]]:
        """What can be ordered about an incident."""
        return {
            "acknowledge": (Right.ORDER, self.acknowledge),
            "release": (Right.ORDER, self.release),
            "approve": (Right.APPROVE, self.approve),
            "deny": (Right.ORDER, self.deny),
            "close": (Right.ORDER, self.close),
            "verdict": (Right.ARM, self.judge),
        }


def _back(number: int, told: str) -> Answer:
    return see(f"{BASE}/incidents/{number}?told={told}")


def _tried(one: Done) -> Tried:
    how, mood = _ATTEMPTS[one.state] if one.state is not None else ("planned only", "none")
    before, wanted, answered = one.before or {}, one.wanted or {}, one.observed or {}
    names = dict.fromkeys([*before, *wanted, *answered])
    return Tried(
        one,
        how,
        mood,
        [
            Change(name, before.get(name), wanted.get(name), answered.get(name))
            for name in list(names)[:30]
        ],
    )


def _links(story: Explanation) -> list[tuple[str, str]]:
    """Return runbooks and dashboards, each address once; nothing but what a browser may open."""
    found: dict[str, str] = {}
    for one in story.alerts:
        for name, url in (("Runbook", one.runbook_url), ("Dashboard", one.dashboard_url)):
            if url.startswith(("https://", "http://")):
                found.setdefault(url, f"{name} of {one.name}")
    return [(name, url) for url, name in list(found.items())[:6]]


def _stages(story: Explanation, state: IncidentState) -> list[Stage]:
    """Return the way that this incident has come, stage by stage."""
    view = story.view
    fires = sum(one.status.value == "firing" for one in story.alerts)
    first = min((one.starts_at for one in story.alerts), default=view.opened_at)
    count = f"{view.alerts_total} alert{'' if view.alerts_total == 1 else 's'}"
    alert = Stage("Alert", "good", f"{count}, {fires or 'none'} firing", first)
    return [
        alert,
        _diagnosis(story),
        _plan(story),
        _guards(story),
        _attempts(story),
        _verification(story, state),
    ]


def _last(lines: Sequence[Line], *actions: str) -> Line | None:
    return next((one for one in reversed(lines) if one.action in actions), None)


def _diagnosis(story: Explanation) -> Stage:
    found = _last(story.lines, "confirm")
    if story.view.cause:
        return Stage("Diagnosis", "good", story.view.cause, found.at if found else None)
    if found is not None:
        return Stage("Diagnosis", "good", "read and confirmed", found.at)
    if not story.view.playbook:
        return Stage("Diagnosis", "none", "no playbook")
    return Stage("Diagnosis", "none", "not confirmed")


def _plan(story: Explanation) -> Stage:
    view = story.view
    if view.approval is not None:
        return Stage("Plan", "warning", "waits for a yes", view.approval.requested_at)
    if view.effects:
        count = len(view.effects)
        return Stage(
            "Plan", "good", f"{count} effect{'s' if count > 1 else ''}", view.effects[0].at
        )
    return Stage("Plan", "none", "none" if view.human_steps else "nothing planned")


def _guards(story: Explanation) -> Stage:
    held = [one for one in story.refusals if one.guard != "approval"]
    if held:
        last = max(held, key=lambda one: one.at)
        later = any(one.at > last.at for one in story.view.effects)
        mood = "good" if later else "warning"
        return Stage("Guards", mood, f"held back by {last.guard}", last.at)
    if story.effects:
        return Stage("Guards", "good", "all passed", story.effects[0].at)
    return Stage("Guards", "none", "not asked")


def _attempts(story: Explanation) -> Stage:
    tried = [one for one in story.effects if one.state is not None]
    if not tried:
        shadow = story.view.shadow
        return Stage("Attempts", "none", "shadow: nothing is done" if shadow else "none")
    moods = [_ATTEMPTS[one.state][1] for one in tried if one.state is not None]
    worst = next((one for one in ("critical", "busy", "warning") if one in moods), "good")
    done = sum(one.state is AttemptState.CONFIRMED for one in tried)
    return Stage("Attempts", worst, f"{done} of {len(tried)} done", tried[-1].at)


def _verification(story: Explanation, state: IncidentState) -> Stage:
    view = story.view
    if state is IncidentState.RESOLVED:
        how = "healed by itself" if view.healed_by_itself else "healthy"
        return Stage("Verification", "good", how, view.ended_at)
    if state is IncidentState.CLOSED:
        return Stage("Verification", "none", "closed by a person", view.ended_at)
    found = _last(story.lines, "verify")
    if state is IncidentState.STABILIZING:
        return Stage("Verification", "busy", "healthy, being watched", found.at if found else None)
    if state is IncidentState.ESCALATED:
        return Stage("Verification", "critical", "a person is needed")
    if state is IncidentState.HUMAN_OWNED:
        return Stage("Verification", "warning", f"with {view.owner}")
    return Stage("Verification", "none", "not yet")
