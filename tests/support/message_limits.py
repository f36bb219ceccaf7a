"""The limits that Slack and PagerDuty document for what they are sent.

Slack: Block Kit's reference (blocks, text objects, block elements). PagerDuty: Events API v2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_BLOCKS = 50
_TEXT = 40_000
_SECTION, _FIELD, _FIELDS, _HEADER, _CONTEXT = 3000, 2000, 10, 150, 10
_ELEMENTS, _LABEL, _VALUE, _URL, _ID = 25, 75, 2000, 3000, 255
_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_SUMMARY, _KEY, _EVENT = 1024, 255, 512 * 1024


def slack_faults(message: Mapping[str, Any]) -> list[str]:
    """Return what Slack would refuse in a message."""
    return list(_message(message))


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    blocks = message["blocks"]
    if not 1 <= len(message["text"]) <= _TEXT:
        yield f"text: between 1 and {_TEXT} characters"
    if len(blocks) > _BLOCKS:
        yield f"blocks: at most {_BLOCKS}, not {len(blocks)}"
    named = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(named)) != len(named) or any(len(one) > _ID for one in named):
        yield f"block_id: unique, at most {_ID} characters"
    actions: list[str] = []
    for number, block in enumerate(blocks):
        actions += (
            [one["action_id"] for one in block["elements"]] if block["type"] == "actions" else []
        )
        yield from _block(f"blocks/{number}", block)
    if len(set(actions)) != len(actions):
        yield "action_id: each once"


def _block(where: str, block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield from _text(where, "a header", block["text"], _HEADER)
        case "section":
            yield from _section(where, block)
        case "context":
            if not 1 <= len(block["elements"]) <= _CONTEXT:
                yield f"{where}: between 1 and {_CONTEXT} elements"
            for one in block["elements"]:
                yield from _text(where, "an element", one, _FIELD)
        case "actions":
            if not 1 <= len(block["elements"]) <= _ELEMENTS:
                yield f"{where}: between 1 and {_ELEMENTS} elements"
            for one in block["elements"]:
                yield from _button(where, one)
        case other:
            yield f"{where}: {other} is no block of ours"


def _text(where: str, what: str, text: Mapping[str, Any], most: int) -> Iterator[str]:
    length = len(text["text"])
    if not 1 <= length <= most:
        yield f"{where}: {what} has at most {most} characters, not {length}"


def _section(where: str, block: Mapping[str, Any]) -> Iterator[str]:
    if "text" in block:
        yield from _text(where, "a section", block["text"], _SECTION)
    fields = block.get("fields", [])
    if len(fields) > _FIELDS or ("text" not in block and not fields):
        yield f"{where}: text, or between 1 and {_FIELDS} fields"
    for one in fields:
        yield from _text(where, "a field", one, _FIELD)


def _button(where: str, one: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(where, "a button", one["text"], _LABEL)
    for name, most in (("action_id", _ID), ("value", _VALUE), ("url", _URL)):
        if len(one.get(name, "")) > most:
            yield f"{where}: {name} has at most {most} characters"
    if one.get("style", "primary") not in ("primary", "danger"):
        yield f"{where}: a style is primary or danger"
    for name, most in _CONFIRM.items() if "confirm" in one else ():
        yield from _text(where, f"a confirmation's {name}", one["confirm"][name], most)


def pagerduty_faults(event: Mapping[str, Any]) -> list[str]:
    """Return what PagerDuty would refuse in an event, or cut off."""
    return list(_event(event))


def _event(event: Mapping[str, Any]) -> Iterator[str]:
    if len(json.dumps(event).encode()) > _EVENT:
        yield f"an event has at most {_EVENT} bytes"
    if not 1 <= len(event["dedup_key"]) <= _KEY:
        yield f"dedup_key: at most {_KEY} characters"
    if event["event_action"] not in ("trigger", "acknowledge", "resolve"):
        yield "event_action: trigger, acknowledge or resolve"
    if event["event_action"] != "trigger":
        return
    payload = event["payload"]
    if not 1 <= len(payload["summary"]) <= _SUMMARY:
        yield f"summary: at most {_SUMMARY} characters"
    if payload["severity"] not in ("critical", "error", "warning", "info") or not payload["source"]:
        yield "severity and source are required"
    for number, link in enumerate(event.get("links", ())):
        if set(link) != {"href", "text"} or not link["href"].startswith(("http://", "https://")):
            yield f"links/{number}: href and text"
    for number, image in enumerate(event.get("images", ())):
        if not {"src"} <= set(image) <= {"src", "href", "alt"}:
            yield f"images/{number}: src, and perhaps href and alt"
