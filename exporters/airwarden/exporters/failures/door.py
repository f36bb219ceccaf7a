"""The desk's HTTP: what is known of failures is read here, and listeners' reports come in."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import structlog

from airwarden.core.errors import WrongInputError
from airwarden.exporters.door import Door
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.failures.reports import MOST_BODY
from airwarden.exporters.server import Post, Posted, Reply

#: Where failures are read, and where a listener posts its reports.
FAILURES = "/api/v1/failures"
_JSON = "application/json"
_log = structlog.get_logger(__name__)


class FailureDoor:
    """Answers requests about failures.

    Args:
        desk: Keeps the books.
    """

    def __init__(self, desk: FailureDesk) -> None:
        self._desk = desk

    def read(self, query: str) -> Reply:
        """Answer a question; see `FailureDesk.listing`."""
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=10)
            failures = self._desk.listing(dict(pairs))
        except (WrongInputError, ValueError) as error:
            return Reply(400, f"{error}\n".encode())
        return Reply(200, json.dumps({"failures": failures}).encode(), _JSON)

    def post(self, door: Door | None) -> Post:
        """Return where listeners post.

        Args:
            door: Lets listeners in; None takes no reports, and says so.
        """
        return Post(self.take if door is not None else _closed, door, MOST_BODY)

    def take(self, request: Posted) -> Reply:
        """Take a report; what is wrong with one is told without its content."""
        try:
            self._desk.report(request.body)
        except WrongInputError as error:
            _log.warning("report of a listener refused", error=str(error))
            return Reply(400, f"{error}\n".encode())
        return Reply(204, b"")


def _closed(_: Posted) -> Reply:
    return Reply(404, b"no reports are taken: set exporter.failures.token_file in airwarden.yaml\n")
