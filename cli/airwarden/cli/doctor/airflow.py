"""What Airflow's REST API lets us see and do, by the user or token that is configured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from airwarden.adapters import foreign_answers
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import AirwardenError

#: A name that nothing in Airflow has: what is refused for it (403) is refused for all, and what is
#: not found (404) would have been allowed. So the right to write is told without writing.
NOTHING = "airwarden-doctor-no-such-thing"


@dataclass(frozen=True, slots=True)
class _Right:
    """One right, the request that tells whether we have it, and what is lost without it."""

    subject: str
    method: str
    path: str
    lost: str
    body: dict[str, Any] | None = None


_READS = (
    _Right("read DAGs", "GET", "dags?limit=1", "DAGs by tag are not found: no breaker, no requeue"),
    _Right("read DAG runs", "GET", "dags/~/dagRuns?limit=1", "runs are not seen over REST"),
    _Right(
        "read task instances",
        "GET",
        "dags/~/dagRuns/~/taskInstances?limit=1",
        "tasks are not seen: nothing can be requeued",
    ),
    _Right("read pools", "GET", "pools?limit=1", "pools are not seen: no start can be held"),
    _Right("read jobs", "GET", "jobs?limit=1", "heartbeats per scheduler need the database"),
    _Right("read assets", "GET", "assets?limit=1", "freshness needs the database"),
)
_WRITES = (
    _Right(
        "pause and unpause DAGs",
        "PATCH",
        f"dags/{NOTHING}",
        "the breaker cannot pause users of a dependency that is down",
        {"is_paused": True},
    ),
    _Right(
        "change pools",
        "PATCH",
        f"pools/{NOTHING}?update_mask=slots",
        "the breaker cannot hold new starts",
        {"pool": NOTHING, "slots": 1, "include_deferred": False},
    ),
    _Right(
        "clear task instances",
        "POST",
        f"dags/{NOTHING}/clearTaskInstances",
        "nothing can be requeued",
        {"dry_run": True, "task_ids": [NOTHING]},
    ),
    _Right(
        "trigger runs",
        "POST",
        f"dags/{NOTHING}/dagRuns",
        "no canary can be started",
        {"logical_date": None},
    ),
)
_EXCESS = (
    _Right("read connections", "GET", "connections?limit=1", "they hold credentials"),
    _Right("read variables", "GET", "variables?limit=1", "they may hold credentials"),
)


def probe(system: str, client: httpx.Client, token: Callable[[], str]) -> Iterator[Finding]:
    """Yield what is found.

    Args:
        system: How findings name this Airflow.
        client: Its base address is Airflow's, with a timeout set.
        token: Signs in and returns a bearer token; raises AirwardenError.
    """
    two = _version_two(client)
    if two:
        yield _version(system, two)
        return
    try:
        version = client.get("/api/v2/version")
        if not foreign_answers.is_json(version.text):
            said = foreign_answers.not_airflow(
                str(client.base_url), version.text, version.status_code
            )
            yield Finding(
                system, "reach it", Outcome.FAILED, said.partition(": is ")[0], foreign_answers.MEND
            )
            return
        version.raise_for_status()
        number = str(version.json()["version"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        yield Finding(
            system,
            "reach it",
            Outcome.FAILED,
            f"{client.base_url} does not answer as Airflow 3 does: {_short(error)}",
            "check the address, the proxy and the certificate (ca_file)",
        )
        return
    yield _version(system, number)
    try:
        client.headers["Authorization"] = f"Bearer {token()}"
    except AirwardenError as error:
        yield Finding(
            system,
            "sign in",
            Outcome.FAILED,
            str(error),
            "check the user and the password or token",
        )
        return
    yield Finding(system, "sign in", Outcome.OK, "signed in")
    yield from _rights(system, client, _READS)
    yield from _rights(system, client, _WRITES)
    for right in _EXCESS:
        if _allowed(client, right):
            yield Finding(
                system,
                right.subject,
                Outcome.EXCESS,
                f"may {right.subject}, which is not needed: {right.lost}",
                "give a role without this right (with simple auth: op sees them, viewer does not)",
            )


def _version_two(client: httpx.Client) -> str:
    """Return the version of an Airflow 2, empty where it is none."""
    try:
        answer = client.get("/api/v1/version")
        found = str(answer.raise_for_status().json()["version"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""
    return found if found.startswith("2.") else ""


def _version(system: str, number: str) -> Finding:
    if number.startswith("2."):
        return Finding(
            system,
            "reach it",
            Outcome.LIMITED,
            f"Airflow {number}: measured by its metadata database alone, and nothing is done to it",
            "leave every playbook in shadow; what acts speaks the API of Airflow 3",
        )
    supported = number.startswith("3.")
    return Finding(
        system,
        "reach it",
        Outcome.OK if supported else Outcome.FAILED,
        f"Airflow {number}",
        "" if supported else "Airwarden speaks the API of Airflow 3",
    )


def _rights(system: str, client: httpx.Client, rights: tuple[_Right, ...]) -> Iterator[Finding]:
    for right in rights:
        allowed = _allowed(client, right)
        if allowed is None:
            yield Finding(system, right.subject, Outcome.LIMITED, "no clear answer")
        elif allowed:
            yield Finding(system, right.subject, Outcome.OK, f"may {right.subject}")
        else:
            yield Finding(
                system,
                right.subject,
                Outcome.LIMITED,
                f"may not {right.subject}: {right.lost}",
                f"give the user's role the right to {right.subject}",
            )


def _allowed(client: httpx.Client, right: _Right) -> bool | None:
    try:
        response = client.request(right.method, f"/api/v2/{right.path}", json=right.body)
    except httpx.HTTPError:
        return None
    if response.status_code in (401, 403):
        return False
    if right.method == "GET":
        return True if response.is_success else None
    return True if response.status_code in (404, 400, 422) else None


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
