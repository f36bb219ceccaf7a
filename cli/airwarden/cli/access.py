"""From `auth`, `tls` and `tenant` of the settings to what a client shows, and whom it trusts."""

from __future__ import annotations

import base64
from typing import Protocol

from airwarden.adapters.access import Access
from airwarden.adapters.secrets import read_secret, remember
from airwarden.core.errors import WrongInputError
from airwarden.core.settings.access import ClientTls, Credentials


class Reached(Protocol):
    """A section that says how a server is reached."""

    @property
    def auth(self) -> Credentials | None:
        """How to sign in."""

    @property
    def tls(self) -> ClientTls | None:
        """What to trust and to show."""

    @property
    def tenant(self) -> str:
        """The tenant to ask for."""

    @property
    def tenant_header(self) -> str:
        """The header that names it."""


def access(section: Reached, place: str) -> Access:
    """Return how a server is reached; secrets are read anew for each request.

    Args:
        section: Of the settings.
        place: Its key, for messages.

    Raises:
        WrongInputError: A secret, a certificate or a key cannot be read.
    """

    def headers() -> dict[str, str]:
        found = _signed_in(section.auth, f"{place}.auth") if section.auth else {}
        return {**found, section.tenant_header: section.tenant} if section.tenant else found

    headers()
    tls = section.tls or ClientTls()
    made = Access(
        headers=headers,
        ca_file=str(tls.ca_file or ""),
        server_name=tls.server_name,
        cert_file=str(tls.cert_file or ""),
        key_file=str(tls.key_file or ""),
        verify=not tls.insecure_skip_verify,
    )
    try:
        made.context()
    except OSError as error:
        files = " or ".join(name for name in (made.ca_file, made.cert_file, made.key_file) if name)
        raise WrongInputError(
            f"{files} cannot be read, or is not what it should be: {error.strerror or error}",
            place=f"{place}.tls",
            hint="PEM files: ca_file of authorities, cert_file of a certificate, key_file of its key",
        ) from None
    return made


def _signed_in(auth: Credentials, place: str) -> dict[str, str]:
    if auth.token is not None:
        token = read_secret(auth.token, place=f"{place}.token").get_secret_value()
        return {"Authorization": f"Bearer {token}"}
    if auth.password is None:
        raise AssertionError("the settings hold one way to sign in")
    password = read_secret(auth.password, place=f"{place}.password").get_secret_value()
    both = base64.b64encode(f"{auth.username}:{password}".encode()).decode()
    remember(both)
    return {"Authorization": f"Basic {both}"}
