"""One Slack message an incident: plain text, and blocks within Block Kit's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.alerts import AlertStatus
from airwarden.core.platform import ChatMessage
from airwarden.remediation.decide.buttons import Button
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import IncidentView, TimelineEntry
from airwarden.remediation.notify import words
from airwarden.remediation.notify.redact import redact

_HEADER, _SECTION, _FIELDS, _FIELD, _BLOCKS, _URL = 150, 3000, 10, 2000, 50, 3000
_MARKS: Mapping[IncidentState, str] = {
    IncidentState.RESOLVED: ":white_check_mark:",
    IncidentState.CLOSED: ":white_check_mark:",
    IncidentState.ESCALATED: ":rotating_light:",
    IncidentState.NO_PLAYBOOK: ":rotating_light:",
    IncidentState.HUMAN_OWNED: ":bust_in_silhouette:",
    IncidentState.SUPPRESSED: ":mute:",
}
_UNDER_WAY = ":wrench:"
_TAKEABLE = frozenset(
    {
        IncidentState.REMEDIATING,
        IncidentState.STABILIZING,
        IncidentState.ESCALATED,
        IncidentState.STORM_HOLD,
    }
)


class SlackComposer:
    """Makes the message that stands for an incident as it is now.

    Args:
        default_channel: For incidents of no team, or of one without a channel; empty for none.
        team_channels: Team → channel.
        places: Addresses that a message leads to.
        buttons: Whether somebody hears what is pressed.
    """

    def __init__(
        self,
        default_channel: str,
        team_channels: Mapping[str, str] | None = None,
        places: words.Places | None = None,
        *,
        buttons: bool = False,
    ) -> None:
        self._default = default_channel
        self._teams = dict(team_channels or {})
        self._places = places or words.Places()
        self._with_buttons = buttons

    def __call__(self, view: IncidentView) -> ChatMessage | None:
        """Return the message, None where no channel is set for it."""
        channel = self._teams.get(view.team) or self._default
        if not channel:
            return None
        mark = _MARKS.get(view.state, _UNDER_WAY)
        text = f"{mark} {words.standing(view)}: {words.headline(view)}"
        return ChatMessage(channel, _escape(words.cut(text, _SECTION)), tuple(self._blocks(view)))

    def _blocks(self, view: IncidentView) -> list[dict[str, Any]]:
        done = "Would have done (shadow)" if view.shadow else "Done"
        links = words.links(view, self._places)
        title = f"{words.standing(view)}: "
        blocks = [
            _header(title + words.headline(view, _HEADER - len(title))),
            *_section("What broke", [*words.what_broke(view), words.since(view)]),
            *_section("Who is affected", words.affected(view)),
            *_section(done, words.what_was_done(view)),
            *_section("Waits for a yes", words.what_waits(view)),
            *_section("Decided", [words.decided(view)] if view.decision else []),
            *_section("Why", [words.why(view)] if view.reason else []),
            *_section("What comes next", words.ahead(view)),
            *_section("For a person to do", [redact(step) for step in view.human_steps]),
            *_evidence(words.evidence(view)),
            self._footer(view, {} if self._with_buttons else links),
        ]
        buttons = [*_orders(view), *_ways(links)] if self._with_buttons else []
        return [*blocks[: _BLOCKS - len(buttons)], *buttons]

    def _footer(self, view: IncidentView, links: Mapping[str, str]) -> dict[str, Any]:
        facts = [f"Incident {_escape(view.incident_id)}", view.severity.value]
        if view.playbook:
            facts.append(f"{_escape(view.playbook)} ({view.mode.value})")
        if view.team:
            facts.append(f"team {_escape(view.team)}")
        if view.recurrence:
            facts.append(f"came back {view.recurrence} times")
        if view.paged:
            facts.append("paged")
        if view.owner:
            facts.append(f"owner {_escape(view.owner)}")
        facts += [f"<{url}|{name}>" for name, url in links.items() if len(url) < _FIELD // 4]
        text = words.cut(" · ".join(facts), _FIELD)
        return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def thread(entries: Sequence[TimelineEntry]) -> str:
    """Return lines of an incident's story as text for its message's thread."""
    return words.cut(_escape(words.thread(entries)), 2 * _SECTION)


def _orders(view: IncidentView) -> list[dict[str, Any]]:
    """Return what a person can order now; the plan's nonce is in them, so an old button is worth nothing."""
    found: list[dict[str, Any]] = []
    asked = view.approval
    if asked is not None:
        what = words.cut("; ".join(redact(one) for one in asked.effects), 250)
        value = f"{view.incident_id}:{asked.nonce}"
        found.append(_button(Button.APPROVE, "Approve", value, style="primary", ask=what))
        found.append(_button(Button.DENY, "Deny", value, style="danger"))
    if view.state in _TAKEABLE:
        found.append(_button(Button.TAKE, "I take it", view.incident_id))
    elif view.state is IncidentState.HUMAN_OWNED:
        ask = "Airwarden may act on it again."
        found.append(_button(Button.RELEASE, "Give it back", view.incident_id, ask=ask))
    if not view.state.terminal and any(one.status is AlertStatus.FIRING for one in view.alerts):
        ask = "Nobody is told of its alerts for an hour, and Airwarden does nothing about them."
        found.append(_button(Button.SILENCE, "Silence 1 h", view.incident_id, ask=ask))
    return [{"type": "actions", "block_id": "airwarden.orders", "elements": found}] if found else []


def _ways(links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return buttons that only lead somewhere."""
    found = [
        {
            "type": "button",
            "action_id": f"airwarden.open.{number}",
            "text": {"type": "plain_text", "text": name},
            "url": url,
        }
        for number, (name, url) in enumerate(links.items())
        if len(url) <= _URL
    ]
    return [{"type": "actions", "block_id": "airwarden.ways", "elements": found}] if found else []


def _button(
    button: Button, text: str, value: str, *, style: str = "", ask: str = ""
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "button",
        "action_id": button.value,
        "text": {"type": "plain_text", "text": text},
        "value": value,
    }
    if style:
        found["style"] = style
    if ask:
        found["confirm"] = {
            "title": {"type": "plain_text", "text": f"{text}?"},
            "text": {"type": "plain_text", "text": ask},
            "confirm": {"type": "plain_text", "text": text},
            "deny": {"type": "plain_text", "text": "Not now"},
        }
    return found


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": words.cut(text, _HEADER)}}


def _section(title: str, lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return one section with as many of the latest lines as fit, nothing without lines."""
    shown = [_escape(words.cut(line, 700)) for line in lines if line]
    if not shown:
        return []
    kept: list[str] = []
    room = _SECTION - len(title) - 60
    for line in reversed(shown):
        if len(line) + 3 > room:
            break
        kept.insert(0, f"• {line}")
        room -= len(line) + 3
    missing = len(shown) - len(kept)
    if missing:
        kept.insert(0, f"• {missing} earlier ones are left out")
    body = "\n".join(kept)
    return [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*\n{body}"}}]


def _evidence(found: Mapping[str, str]) -> list[dict[str, Any]]:
    fields = [
        {"type": "mrkdwn", "text": f"*{_escape(words.cut(k, 80))}*\n{_escape(words.cut(v, 400))}"}
        for k, v in list(found.items())[:_FIELDS]
        if v
    ]
    return [{"type": "section", "fields": fields}] if fields else []


def _escape(text: str) -> str:
    """Return the text so that Slack reads no markup, mention or link out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
