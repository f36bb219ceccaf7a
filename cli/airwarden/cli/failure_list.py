"""Failed attempts with their causes, asked of the exporters and shown to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import typer

from airwarden.adapters.secrets import read_secret
from airwarden.core.errors import (
    AirwardenError,
    RejectedError,
    UnavailableError,
    WrongInputError,
)
from airwarden.core.settings import Settings

#: Seconds for an exporter's answer, which stands in memory.
_TIMEOUT = 5.0
PATH = "/api/v1/failures"


def ask(
    settings: Settings, query: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[dict[str, Any]]:
    """Return what the exporters know of failures; of several, the standing-by ones know nothing.

    Args:
        settings: Name their addresses, and the credential.
        query: `dag`, `task`, `cause`, `cluster`, `limit`.
        transport: For tests; the network by default.

    Raises:
        UnavailableError: None of them answers.
        RejectedError, WrongInputError: It refuses.
    """
    found: list[dict[str, Any]] = []
    lost: AirwardenError | None = None
    answered = False
    with _client(settings, transport) as client:
        for url in (settings.exporter_url, *settings.exporter.replicas):
            try:
                found += _ask_one(client, str(url).rstrip("/"), query)
                answered = True
            except UnavailableError as error:
                lost = error
    if lost is not None and not answered:
        raise lost
    found.sort(key=lambda one: str(one["at"]), reverse=True)
    return found[: int(query.get("limit", "20"))]


def _client(settings: Settings, transport: httpx.BaseTransport | None) -> httpx.Client:
    """Return a client that shows what the exporter asks for."""
    import ssl

    auth, tls = settings.exporter.auth, settings.exporter.tls
    headers: dict[str, str] = {}
    basic: httpx.BasicAuth | None = None
    if auth is not None and auth.token is not None:
        token = read_secret(auth.token, place="exporter.auth.token").get_secret_value()
        headers["Authorization"] = f"Bearer {token}"
    elif auth is not None and auth.password is not None:
        password = read_secret(auth.password, place="exporter.auth.password").get_secret_value()
        basic = httpx.BasicAuth(auth.username, password)
    verify: ssl.SSLContext | bool = True
    if tls is not None:
        scrape = tls.prometheus
        try:
            verify = ssl.create_default_context(cafile=scrape.ca_file)
            if scrape.cert_file is not None and scrape.key_file is not None:
                verify.load_cert_chain(scrape.cert_file, scrape.key_file)
        except OSError as error:
            raise WrongInputError(str(error), place="exporter.tls.prometheus") from None
    return httpx.Client(
        timeout=_TIMEOUT, transport=transport, trust_env=False, headers=headers, auth=basic,
        verify=verify,
    )  # fmt: skip


def _ask_one(client: httpx.Client, url: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    try:
        response = client.get(f"{url}{PATH}", params=dict(query))
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the exporter at {url} does not answer: {error}\n"
            "  start it with airwarden up or airwarden exporter; where it is stands in exporter.url or"
            " exporter.listen"
        ) from None
    if response.status_code == 400:
        raise WrongInputError(response.text.strip()[:300])
    if response.status_code == 401:
        raise RejectedError(
            f"the exporter at {url} refuses the credential: exporter.auth names the one to show"
        )
    if not response.is_success:
        raise RejectedError(f"the exporter answered {response.status_code}: {response.text[:200]}")
    try:
        failures: list[dict[str, Any]] = response.json()["failures"]
    except (ValueError, KeyError, TypeError):
        raise UnavailableError(
            f"what answers at {url} is not Airwarden's exporter, or an older one"
        ) from None
    return failures


def show(failures: Sequence[Mapping[str, Any]], *, dag: str) -> None:
    """Print failures, and how they divide."""
    if not failures:
        typer.echo(f"no failed attempt{f' of {dag}' if dag else ''} since the exporter was started")
        return
    for one in failures:
        typer.echo("\n".join(_lines(one)))
    counts = Counter(one["cause"] for one in failures)
    said = ", ".join(f"{number} {cause}" for cause, number in counts.most_common())
    typer.echo(f"{len(failures)} failed attempts: {said}")


def _lines(one: Mapping[str, Any]) -> list[str]:
    mapped = f"[{one['map_index']}]" if one["map_index"] >= 0 else ""
    lines = [
        f"{one['at'][:19].replace('T', ' ')} UTC  {one['cause']}: {one['why']}",
        f"  {one['dag_id']}.{one['task_id']}{mapped}  run {one['run_id']}  try {one['try_number']}"
        f"{'' if one['final'] else ', tried again'}"
        f"{'  on ' + one['hostname'] if one['hostname'] else ''}",
    ]
    evidence = one["evidence"]
    said = [f"{name} {evidence[name]}" for name in ("exception", "code", "event") if evidence[name]]
    if evidence["connections"]:
        said.append(f"connection {', '.join(evidence['connections'])}")
    if evidence["fingerprint"]:
        said.append(f"fingerprint {evidence['fingerprint']}")
    lines.append(f"  told by {evidence['source']}{': ' if said else ''}{'; '.join(said)}")
    return lines
