"""What Airflow 2 answers without a sign-in: Airwarden measures it by its database, and never acts on it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx

from airwarden.core.errors import UnavailableError


def health(url: str, *, timeout: float, ca_file: str = "", proxy: str = "") -> Mapping[str, str]:
    """Return component → status from `/health`, which Airflow 3 does not have.

    Args:
        url: Base URL.
        timeout: Seconds.
        ca_file: PEM bundle to trust beside the system's.
        proxy: Proxy URL.

    Raises:
        UnavailableError: This is no Airflow 2.
    """
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    try:
        with httpx.Client(
            timeout=timeout, verify=context, proxy=proxy or None, trust_env=False
        ) as client:
            body = client.get(f"{url.rstrip('/')}/health").raise_for_status().json()
        return {
            str(name): str(part["status"])
            for name, part in body.items()
            if isinstance(part, dict) and part.get("status")
        }
    except (httpx.HTTPError, ValueError, AttributeError, TypeError) as error:
        raise UnavailableError(f"{url} does not answer as Airflow 2 does: {error}") from None
