"""What a person orders by a button of an incident's message: who they are, what they may, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, Field, ValidationError

from airwarden.core.errors import AirwardenError, ConflictError, NotFoundError, RejectedError
from airwarden.remediation.decide.buttons import Button
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operator, Operators, Right
from airwarden.remediation.silencing import Silencing

_log = structlog.get_logger(__name__)
_REASON = "by a button in Slack"


@dataclass(frozen=True, slots=True)
class Whisper:
    """An answer that only the person who pressed sees."""

    channel: str
    person: str
    text: str


class _Id(BaseModel):
    id: str = Field(max_length=64)


class _Pressed(BaseModel):
    action_id: str = Field(max_length=255)
    value: str = Field(default="", max_length=2000)


class _Payload(BaseModel):
    user: _Id
    channel: _Id
    actions: list[_Pressed] = Field(max_length=25)


class ChatOrders:
    """Follows what buttons say, by the same rules as the API's orders.

    Args:
        operations: The operators' hands.
        silencing: Makes silences.
        operators: Who is who, as it is known now.
    """

    def __init__(
        self, operations: Operations, silencing: Silencing, operators: Callable[[], Operators]
    ) -> None:
        self._do = operations
        self._silencing = silencing
        self._operators = operators

    def follow(self, payload: Mapping[str, Any]) -> Whisper | None:
        """Do what was pressed; returns what to tell the person where it was not done.

        Args:
            payload: Slack's `block_actions`, from a sender who was verified. Other kinds, and buttons
                that are none of ours, are left alone.
        """
        if payload.get("type") != "block_actions":
            return None
        try:
            read = _Payload.model_validate(payload)
        except ValidationError as error:
            _log.warning("a press of a button could not be read", faults=error.error_count())
            return None
        for one in read.actions:
            if one.action_id in list(Button):
                said = self._press(Button(one.action_id), one.value, read.user.id)
                if said:
                    return Whisper(read.channel.id, read.user.id, said)
        return None

    def _press(self, button: Button, value: str, user: str) -> str:
        number, _, nonce = value.partition(":")
        incident_id = int(number) if number.isascii() and number.isdigit() else 0
        if not 0 < incident_id < 2**53:
            return "Nothing was changed: this button names no incident."
        who = self._operators().by_chat.get(user)
        if who is None:
            return (
                f"Nothing was changed: nobody here is known as {user}. Whoever keeps airwarden.yaml can"
                f" add slack_user: {user} to your entry under remediator.operators."
            )
        try:
            self._order(button, incident_id, nonce, who)
        except (ConflictError, NotFoundError, RejectedError) as error:
            return f"Nothing was changed: {error}."
        except AirwardenError as error:
            _log.warning("an order by a button failed", incident=incident_id, error=str(error))
            return (
                f"It is not known to be done: {error}. Press again, or look with airwarden explain"
                f" {incident_id}."
            )
        return ""

    def _order(self, button: Button, incident_id: int, nonce: str, who: Operator) -> None:
        right = Right.APPROVE if button is Button.APPROVE else Right.ORDER
        self._operators().require(who, right)
        match button:
            case Button.TAKE:
                self._do.acknowledge(incident_id, by=who.name, reason=_REASON)
            case Button.RELEASE:
                self._do.release(incident_id, by=who.name, reason=_REASON)
            case Button.SILENCE:
                self._silencing.silence(incident_id, by=who.name, reason=_REASON)
            case Button.APPROVE | Button.DENY:
                decision = "approved" if button is Button.APPROVE else "denied"
                self._do.decide(
                    incident_id, decision=decision, by=who.name, reason=_REASON, nonce=nonce
                )
