"""`auth`, `tls`, `tenant`: how programs of ours sign in to a Prometheus or an Alertmanager, and trust it."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from airwarden.core.settings.base import ConfigPath, HttpUrl, SecretRef, Section, wrong

#: The header by which Mimir, Cortex and Loki tell tenants apart.
TENANT_HEADER = "X-Scope-OrgID"
#: The name of a tenant, and of a header.
TENANT, HEADER = r"^[\x21-\x7e]*$", r"^[A-Za-z0-9-]+$"


class Credentials(Section):
    """A user with a password, or a bearer token."""

    secrets: ClassVar[tuple[str, ...]] = ("password", "token")

    username: str = Field(default="", pattern="^[^:]*$")
    """User of basic authentication."""

    password: SecretRef | None = None
    """That user's password."""

    token: SecretRef | None = None
    """A bearer token, instead of user and password."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.username or self.password) == bool(self.token):
            raise ValueError(
                "give exactly one of: username with password_file (or password_env), token_file (or"
                " token_env)"
            )
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password_file (or password_env) go together")
        return self


class ClientTls(Section):
    """How a client checks the server, and what it shows of itself."""

    ca_file: ConfigPath | None = None
    """Who signed the server's certificate, as PEM; nobody else is trusted then. None: the public
    authorities (for Prometheus itself: those of its machine)."""

    server_name: str = ""
    """The name in that certificate, where it is not the host of the address."""

    cert_file: ConfigPath | None = None
    """The client's own certificate as PEM, where the server asks for one."""

    key_file: ConfigPath | None = None
    """Its key as PEM, without a passphrase."""

    insecure_skip_verify: bool = False
    """Believe whatever certificate is shown: what is sent, credentials too, may reach anybody on the way."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.insecure_skip_verify and self.ca_file is not None:
            raise wrong("insecure_skip_verify", "with ca_file it contradicts itself: give one")
        return self


class MonitoringServer(Section):
    """A Prometheus or an Alertmanager that we ask: where it is, who we are there, what we trust."""

    url: HttpUrl | None = None
    """Its address. None: `airwarden up` starts one."""

    replicas: tuple[HttpUrl, ...] = ()
    """Addresses of others that answer as well: the next one is asked where one does not answer."""

    auth: Credentials | None = None
    """How to sign in there: `username` with `password_file`, or `token_file`. The files are read anew at
    each request."""

    tls: ClientTls | None = None
    """What to trust and to show where the address begins with `https://`. None: the public authorities,
    and no certificate of ours."""

    tenant: str = Field(default="", pattern=TENANT)
    """The tenant to ask for, where several share the server (Mimir, Cortex, Thanos)."""

    tenant_header: str = Field(default=TENANT_HEADER, pattern=HEADER)
    """The header that names it; `THANOS-TENANT` for Thanos."""

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses, in the order in which they are asked."""
        return (self.url, *self.replicas) if self.url is not None else ()

    @model_validator(mode="after")
    def _of_an_address(self) -> Self:
        for name in ("replicas", "auth", "tls", "tenant"):
            if self.url is None and getattr(self, name):
                raise wrong(name, "is for a server of yours: give its url, too")
        if self.tls is not None and not any(url.startswith("https:") for url in self.urls):
            raise wrong("tls", "no address begins with https://")
        return self
