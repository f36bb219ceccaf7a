"""Slack's Web API (`chat.postMessage`, `chat.update`, `auth.test`) and incoming webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_MOST_BLOCKS = 50
_MOST_TEXT = 40_000
#: Block type → what it must have.
_BLOCKS: dict[str, tuple[str, ...]] = {
    "section": (),
    "header": ("text",),
    "context": ("elements",),
    "actions": ("elements",),
    "divider": (),
    "image": ("alt_text",),
    "rich_text": ("elements",),
}
_SECTION, _HEADER, _FIELD, _FIELDS, _CONTEXT, _ACTIONS, _BUTTON = 3000, 150, 2000, 10, 10, 25, 75


def _text_errors(where: str, text: object, most: int, kinds: tuple[str, ...]) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return [f"{where}: must be an object of type {' or '.join(kinds)}"]
    content = text.get("text")
    if not isinstance(content, str) or not content:
        return [f"{where}: must have a text of at least 1 character"]
    return [f"{where}: must be less than {most + 1} characters"] if len(content) > most else []


def _section_errors(where: str, block: Mapping[str, Any]) -> list[str]:
    errors = []
    kinds = ("mrkdwn", "plain_text")
    if "text" not in block and "fields" not in block:
        errors.append(f"{where}: needs text or fields")
    if "text" in block:
        errors += _text_errors(f"{where}/text", block["text"], _SECTION, kinds)
    fields = block.get("fields", [])
    if not isinstance(fields, list) or len(fields) > _FIELDS:
        return [*errors, f"{where}/fields: at most {_FIELDS}"]
    for number, one in enumerate(fields):
        errors += _text_errors(f"{where}/fields/{number}", one, _FIELD, kinds)
    return errors


def block_errors(blocks: object) -> list[str]:
    """Return what Slack would object to in Block Kit blocks, each with its place."""
    if not isinstance(blocks, list):
        return ["/blocks: must be a list"]
    errors = [f"/blocks: no more than {_MOST_BLOCKS} items"] if len(blocks) > _MOST_BLOCKS else []
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _BLOCKS:
            errors.append(f"{where}: unsupported type {kind!r}")
            continue
        errors += [f"{where}: missing {key}" for key in _BLOCKS[kind] if key not in block]
        if kind == "section":
            errors += _section_errors(where, block)
        elif kind == "header":
            errors += _text_errors(f"{where}/text", block.get("text"), _HEADER, ("plain_text",))
        elif kind == "actions":
            errors += _button_errors(where, block.get("elements"))
        elif kind == "context":
            elements = block.get("elements")
            if not isinstance(elements, list) or not 1 <= len(elements) <= _CONTEXT:
                errors.append(f"{where}/elements: between 1 and {_CONTEXT} items")
    return errors


def _button_errors(where: str, elements: object) -> list[str]:
    if not isinstance(elements, list) or not 1 <= len(elements) <= _ACTIONS:
        return [f"{where}/elements: between 1 and {_ACTIONS} items"]
    errors: list[str] = []
    named: list[str] = []
    for number, one in enumerate(elements):
        at = f"{where}/elements/{number}"
        if not isinstance(one, dict) or one.get("type") != "button":
            errors.append(f"{at}: unsupported element")
            continue
        errors += _text_errors(f"{at}/text", one.get("text"), _BUTTON, ("plain_text",))
        named.append(str(one.get("action_id", "")))
        if not 1 <= len(named[-1]) <= 255:
            errors.append(f"{at}/action_id: between 1 and 255 characters")
        if not isinstance(one.get("value", ""), str) or len(one.get("value", "")) > 2000:
            errors.append(f"{at}/value: at most 2000 characters")
        if one.get("style", "primary") not in ("primary", "danger"):
            errors.append(f"{at}/style: primary or danger")
        confirm = one.get("confirm")
        if confirm is not None:
            for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
                errors += _text_errors(
                    f"{at}/confirm/{name}", confirm.get(name), most, ("plain_text",)
                )
    if len(set(named)) != len(named):
        errors.append(f"{where}/elements: action_id must be unique")
    return errors


@dataclass(slots=True)
class Message:
    """A posted message; `edits` counts its updates."""

    channel: str
    ts: str
    content: Mapping[str, Any]
    edits: int = 0


class Slack:
    """The Web API's methods, answering `{"ok": false, "error": …}` with status 200 as Slack does."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], Message] = {}
        #: What stands in threads: channel, the message's ts, text.
        self.replies: list[tuple[str, str, str]] = []
        #: What only one person saw: channel, their id, text.
        self.whispers: list[tuple[str, str, str]] = []
        #: Where Socket Mode is served, with `{ticket}` in it; empty where it is not.
        self.socket_url = ""
        self.tickets: set[str] = set()
        self._count = 0

    def call(self, method: str, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer of one Web API call."""
        if not token:
            return _error("not_authed")
        if method == "apps.connections.open":
            return self._open_connection(token)
        if not token.startswith(("xoxb-", "xoxp-")):
            return _error("invalid_auth")
        match method:
            case "auth.test":
                return {"ok": True, "team": "local", "user": "airwarden", "bot_id": "B0LOCAL000"}
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "chat.postEphemeral":
                return self._whisper(arguments)
        return _error("unknown_method")

    def _content_error(self, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not any(arguments.get(key) for key in ("text", "blocks", "attachments")):
            return _error("no_text")
        if len(str(arguments.get("text") or "")) > _MOST_TEXT:
            return _error("msg_too_long")
        if errors := block_errors(arguments.get("blocks") or []):
            return {**_error("invalid_blocks"), "response_metadata": {"messages": errors}}
        return None

    def _post(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(arguments.get("channel") or "")
        if not name.startswith(("#", "C", "G", "D")):
            return _error("channel_not_found")
        if wrong := self._content_error(arguments):
            return wrong
        channel = channel_id(name)
        if (thread := arguments.get("thread_ts")) is not None:
            if (channel, str(thread)) not in self.messages:
                return _error("thread_not_found")
            self.replies.append((channel, str(thread), str(arguments.get("text") or "")))
            return {"ok": True, "channel": channel, "ts": f"1700000001.{len(self.replies):06d}"}
        self._count += 1
        ts = f"1700000000.{self._count:06d}"
        self.messages[channel, ts] = Message(name, ts, dict(arguments))
        return {
            "ok": True,
            "channel": channel,
            "ts": ts,
            "message": {"text": arguments.get("text")},
        }

    def _update(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        channel, ts = str(arguments.get("channel") or ""), str(arguments.get("ts") or "")
        if not channel.startswith(("C", "G", "D")):
            return _error("channel_not_found")
        message = self.messages.get((channel, ts))
        if message is None:
            return _error("message_not_found")
        if wrong := self._content_error(arguments):
            return wrong
        message.content, message.edits = dict(arguments), message.edits + 1
        return {"ok": True, "channel": channel, "ts": ts, "text": arguments.get("text", "")}

    def _whisper(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        channel, person = (str(arguments.get(name) or "") for name in ("channel", "user"))
        if not channel.startswith(("C", "G", "D")):
            return _error("channel_not_found")
        if not person.startswith(("U", "W")):
            return _error("user_not_in_channel")
        if wrong := self._content_error(arguments):
            return wrong
        self.whispers.append((channel, person, str(arguments.get("text"))))
        return {"ok": True, "message_ts": "1700000000.999999"}

    def _open_connection(self, token: str) -> Mapping[str, Any]:
        if not token.startswith("xapp-"):
            return _error("not_allowed_token_type")
        if not self.socket_url:
            return _error("internal_error")
        ticket = secrets.token_urlsafe(12)
        self.tickets.add(ticket)
        return {"ok": True, "url": self.socket_url.format(ticket=ticket)}

    def press(self, action_id: str, user: str) -> dict[str, Any]:
        """Return what Slack tells when a person presses a button of the newest message that has it.

        Raises:
            LookupError: No message has such a button now.
        """
        for (channel, ts), message in reversed(self.messages.items()):
            for block in message.content.get("blocks") or ():
                for one in block.get("elements", ()) if block.get("type") == "actions" else ():
                    if one["action_id"] == action_id:
                        return _pressed(channel, ts, message, one, user)
        raise LookupError(f"no message has a button {action_id}")

    def webhook(self, content: object) -> tuple[int, str]:
        """Return status and body of an incoming webhook's answer."""
        if not isinstance(content, dict):
            return 400, "invalid_payload"
        if not any(content.get(key) for key in ("text", "blocks", "attachments")):
            return 400, "no_text"
        if block_errors(content.get("blocks") or []):
            return 400, "invalid_blocks"
        return 200, "ok"


def _pressed(
    channel: str, ts: str, message: Message, button: Mapping[str, Any], user: str
) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "somebody", "team_id": "T0LOCAL000"},
        "team": {"id": "T0LOCAL000", "domain": "local"},
        "api_app_id": "A0LOCAL000",
        "trigger_id": "1.2.3",
        "container": {"type": "message", "message_ts": ts, "channel_id": channel},
        "channel": {"id": channel, "name": "airflow"},
        "message": {"type": "message", "ts": ts, **message.content},
        "response_url": "https://hooks.slack.com/actions/T0/1/never-used",
        "actions": [{**button, "block_id": "b1", "action_ts": "1700000001.000000"}],
    }


def signed(payload: Mapping[str, Any], secret: str, at: float) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the request that Slack makes of a press at a time since the epoch."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, signature(body, secret, at)


def signature(body: bytes, secret: str, at: float) -> dict[str, str]:
    """Return the headers by which Slack signs a body at a time since the epoch."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest.hexdigest()}",
    }


def channel_id(name: str) -> str:
    """Return the id that a channel's name stands for; an id stays as it is."""
    if not name.startswith("#"):
        return name
    return "C" + hashlib.sha256(name.encode()).hexdigest()[:10].upper()


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}
