"""Who acknowledged a page in PagerDuty: told by its webhook, or asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.core.platform import Acknowledgement
from airwarden.core.ports import Pages
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.operations import Operations

_log = structlog.get_logger(__name__)
#: Pages that are asked about in one poll, the newest first: two requests each.
_ASKED = 20
_EVENT = "incident.acknowledged"
#: The only kind of agent that is a person; an integration of ours is another.
_PERSONS = frozenset({"user_reference", "user"})


class _Agent(BaseModel):
    type: str = ""
    summary: str = Field(default="", max_length=200)


class _Data(BaseModel):
    id: str = Field(default="", max_length=64)
    incident_key: str | None = Field(default=None, max_length=500)


class _Event(BaseModel):
    event_type: str
    occurred_at: AwareDatetime
    agent: _Agent | None = None
    data: _Data = _Data()


class _Webhook(BaseModel):
    event: _Event


def is_person(agent_type: str) -> bool:
    """Return whether an agent of PagerDuty, by its type, is a person."""
    return agent_type in _PERSONS


class Acknowledging:
    """Makes an acknowledgement a take-over.

    Args:
        journal: Knows which pages are open.
        operations: Takes incidents over.
        pages: PagerDuty's REST API, None where it is not configured.
    """

    def __init__(
        self, journal: Journal, operations: Operations, pages: Callable[[], Pages | None]
    ) -> None:
        self._journal = journal
        self._do = operations
        self._pages = pages

    def webhook(self, body: bytes) -> str:
        """Take in one event of PagerDuty's webhook, version 3, that was verified; returns what came of it.

        Raises:
            WrongInputError: It is no such event.
            UnavailableError: The journal, or PagerDuty, does not answer: it is to be sent again.
        """
        try:
            event = _Webhook.model_validate_json(body).event
        except ValidationError as error:
            places = sorted({".".join(str(step) for step in one["loc"]) for one in error.errors()})
            raise WrongInputError(f"is no webhook of PagerDuty: {', '.join(places)}") from None
        if event.event_type != _EVENT:
            return f"{event.event_type} is not needed"
        agent = event.agent or _Agent()
        told = Acknowledgement(
            dedup_key=event.data.incident_key or "",
            who=agent.summary or "somebody",
            at=event.occurred_at,
            person=is_person(agent.type),
        )
        said = "no open incident of ours"
        for key in self._keys(event.data):
            said = self._do.acknowledged(replace(told, dedup_key=key))
            _log.info("page acknowledged", by=told.who, outcome=said)
        return said

    def _keys(self, data: _Data) -> Sequence[str]:
        """Return the keys of ours that an incident there stands for: one with alerts may have others."""
        with self._journal.read() as tx:
            if data.incident_key and incidents.open_by_dedup_key(tx, data.incident_key):
                return (data.incident_key,)
        pages = self._pages()
        return pages.keys(data.id) if pages is not None and data.id else ()

    def poll(self) -> None:
        """Ask about the pages that are open and nobody's; what cannot be asked is asked next time.

        Raises:
            UnavailableError: The journal does not answer.
        """
        pages = self._pages()
        if pages is None:
            return
        with self._journal.read() as tx:
            waiting = incidents.paged_and_not_owned(tx, _ASKED)
        for one in waiting:
            try:
                found = pages.acknowledgements(one.dedup_key)
            except AirwardenError as error:
                _log.warning("PagerDuty was not asked who has a page", error=str(error))
                return
            for each in found:
                said = self._do.acknowledged(each)
                _log.debug("page acknowledged", by=each.who, outcome=said)
