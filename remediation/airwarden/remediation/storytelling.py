"""An explanation as text that is read at three in the morning: how it stands first, then why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airwarden.core.alerts import AlertStatus
from airwarden.core.counting import times
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.decide.view import AlertView

if TYPE_CHECKING:
    from airwarden.remediation.explain import Done, Explanation, Line

#: Alerts told one by one; the rest is counted.
_ALERTS = 5
#: Labels that every alert of an incident carries, or that stand elsewhere already.
_KNOWN_LABELS = frozenset({"alertname", "severity", "cluster", "component"})
_WIDTH = 160
#: Entries of a list in evidence that are shown.
_LISTED = 3
#: What a playbook's steps say begins with the step's name.
_OF_STEPS = frozenset({"plan", "step"})
_STEP = re.compile(r"[a-z0-9][a-z0-9-]*: ")
#: What a person can do about a guard that holds something back.
_MENDS = {
    "kill-switch": 'let remedies act again: airwarden resume --reason "…"',
    "maintenance": "end the maintenance before its time: airwarden maintenance stop --cluster {cluster}",
    "suppressed": "see who silenced it, and until when: amtool silence query; nothing is done until then",
    "unreadable": "see what cannot be read, and why: airwarden doctor",
}
_STATES = {
    AttemptState.CONFIRMED: "done",
    AttemptState.FAILED: "failed, nothing was changed",
    AttemptState.NOT_DONE: "did not happen",
    AttemptState.UNKNOWN: "may have happened, it is being read back",
    AttemptState.UNDECIDABLE: "may have happened, and it cannot be told whether",
    AttemptState.STARTED: "under way",
    AttemptState.INTENT: "about to begin",
}


def lasted(seconds: float) -> str:
    """Return a length of time as people say it: `42 s`, `6 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    if whole >= 60:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole} s"


def tell(story: Explanation) -> str:
    """Return the story as text."""
    return "\n".join(_told(story))


def _told(story: Explanation) -> Iterator[str]:
    view = story.view
    yield f"Incident {story.incident_id}: {story.title}"
    yield "  " + " · ".join(_facts(story))
    yield f"  {story.ending}"
    yield from _section("What fired", _alerts(story))
    yield from _section("What was read", _readings(story))
    done = (
        "What would have been done (shadow mode: nothing was)" if view.shadow else "What was done"
    )
    yield from _section(done, _effects(story))
    yield from _section("What was held back, and by which guard", _refusals(story))
    yield from _section("What waits for a person's yes", _question(story))
    yield from _section("The whole story", _lines(story))
    yield from _section("What you can do", _next(story))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _facts(story: Explanation) -> Iterator[str]:
    view = story.view
    yield story.state.lower().replace("_", " ")
    yield str(view.severity)
    yield f"cluster {view.cluster}"
    yield f"playbook {view.playbook} ({view.mode})" if view.playbook else "no playbook"
    ago = lasted((story.now - view.opened_at).total_seconds())
    yield f"opened {view.opened_at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago"
    if view.recurrence:
        yield f"came back {times(view.recurrence)}"
    yield "a person was paged" if view.paged else "nobody was paged"
    if view.team:
        yield f"team {view.team}"


def _alerts(story: Explanation) -> Iterator[str]:
    for one in story.alerts[:_ALERTS]:
        labels = " ".join(
            f"{k}={v}" for k, v in sorted(one.labels.items()) if k not in _KNOWN_LABELS
        )
        since = _clock(one.starts_at, story.view.opened_at)
        ended = "" if one.status is AlertStatus.FIRING else ", ended by now"
        yield f"{one.name} ({one.severity}, firing since {since}{ended}) {labels}".rstrip()
        if one.summary:
            yield f"  {one.summary}"
    more = story.view.alerts_total - min(_ALERTS, len(story.alerts))
    if more > 0:
        yield f"and {more} more"


def _readings(story: Explanation) -> Iterator[str]:
    for line in story.readings:
        yield f"{_clock(line.at, story.view.opened_at)}  {line.sentence}"
    for name, value in story.view.evidence.items():
        if value != "none":
            yield f"{name.replace('_', ' ')}: {value}"


def _effects(story: Explanation) -> Iterator[str]:
    for one in story.effects:
        when = _clock(one.at, story.view.opened_at)
        how = _STATES[one.state] if one.state is not None else "planned"
        why = f" ({one.error})" if one.error else ""
        back = "took back: " if one.undo else ""
        yield f"{when}  {back}{one.summary}: {how}{why}"
        yield from _evidence(one)
    if not story.effects:
        yield "Nothing."


def _evidence(one: Done) -> Iterator[str]:
    for name, body in (("before", one.before), ("set", one.wanted), ("answer", one.observed)):
        if body:
            yield f"          {name}: {_plain(body)}"


def _plain(body: Mapping[str, Any]) -> str:
    text = ", ".join(f"{key}={_value(value)}" for key, value in body.items())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _value(value: Any) -> str:
    """Return a value as a person reads it; of a long list its beginning and its length."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_value(one)}" for key, one in value.items() if one) + ")"
    if isinstance(value, list | tuple):
        more = len(value) - _LISTED
        shown = [_value(one) for one in value[:_LISTED]] + (
            [f"and {more} more"] if more > 0 else []
        )
        return "[" + ", ".join(shown) + "]"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _refusals(story: Explanation) -> Iterator[str]:
    for one in story.refusals:
        often = f" ({one.times} times, last then)" if one.times > 1 else ""
        yield f"{_clock(one.at, story.view.opened_at)}  {one.sentence}{often}"


def _question(story: Explanation) -> Iterator[str]:
    asked = story.view.approval
    if asked is None:
        return
    yield f"plan {asked.plan}, until {_clock(asked.expires_at, story.view.opened_at)} UTC:"
    yield from (f"  {effect}" for effect in asked.effects)
    yield from (f"differs from the plan before: {line}" for line in asked.changed)


def _lines(story: Explanation) -> Iterator[str]:
    if story.archived:
        yield f"(its beginning is in the archive: {story.archived})"
    for line in _said_once(_worth_telling(story)):
        who = f" [{line.actor}]" if line.actor else ""
        step = "Step " if line.action in _OF_STEPS and _STEP.match(line.sentence) else ""
        passed = f"+{lasted(max(line.after, 0))}"
        yield f"{_clock(line.at, story.view.opened_at)} {passed:>12}  {step}{line.sentence}{who}"


def _said_once(lines: Iterator[Line]) -> Iterator[Line]:
    """Leave a reason out that the line before has just given."""
    before = ""
    for line in lines:
        what, colon, why = line.sentence.partition(": ")
        if colon and why == before:
            yield replace(line, sentence=f"{what}.")
        else:
            yield line
            before = why


def _worth_telling(story: Explanation) -> Iterator[Line]:
    """Leave out an intent whose outcome is told next: it is there for whoever reads the audit."""
    for line, following in zip_longest(story.lines, story.lines[1:]):
        if not (following and line.action == "attempt" and line.sentence.startswith("Intent: ")):
            yield line


def _next(story: Explanation) -> Iterator[str]:
    view, number = story.view, story.incident_id
    yield from view.human_steps
    state = IncidentState(story.state)
    if view.approval_expires_at is not None:
        plan = f" --plan {view.approval.plan}" if view.approval else ""
        yield f"allow the plan: airwarden approve {number}{plan}; refuse it: airwarden deny {number}"
    if state is IncidentState.ESCALATED:
        yield f"say that you have it: airwarden acknowledge {number}"
    if state in (IncidentState.REMEDIATING, IncidentState.STABILIZING):
        yield f"take it into your own hands, nothing more is done then: airwarden acknowledge {number}"
    if state is IncidentState.HUMAN_OWNED:
        yield f'let Airwarden go on with it: airwarden release {number} --reason "…"'
        yield f'end it, whatever its alerts say: airwarden close {number} --reason "…"'
    if view.effects and (view.shadow or (view.mode is Mode.APPROVE and state.terminal)):
        yield f"judge what was done or planned: airwarden verdict {number} right|wrong|harmful"
    if not state.terminal:
        held = {one.guard for one in story.refusals}
        yield from (
            mend.format(cluster=view.cluster) for name, mend in _MENDS.items() if name in held
        )
    if not state.terminal:
        yield from _links(story.alerts)


def _links(alerts: tuple[AlertView, ...]) -> Iterator[str]:
    for name, attribute in (("runbook", "runbook_url"), ("dashboard", "dashboard_url")):
        urls = dict.fromkeys(getattr(one, attribute) for one in alerts)
        yield from (f"{name}: {url}" for url in list(urls)[:3] if url)


def _clock(at: datetime, opened: datetime) -> str:
    """Return the time of day, with its date where it is another day than the incident's opening."""
    return f"{at:%H:%M:%S}" if at.date() == opened.date() else f"{at:%Y-%m-%d %H:%M:%S}"
