"""`remediator.console:`: the pages for people, and how they sign in to them."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from airwarden.core.durations import Duration
from airwarden.core.settings.base import ConfigPath, HttpUrl, SecretRef, Section, wrong

RoleName = Literal["viewer", "operator", "approver", "admin"]


class OpenIdConnect(Section):
    """Sign-in at an OpenID Connect provider (Keycloak, Entra ID, Okta, Google, Dex)."""

    secrets: ClassVar[tuple[str, ...]] = ("client_secret",)

    issuer: HttpUrl
    """The provider's address, as its discovery document names it: what comes before
    `/.well-known/openid-configuration`. https, or http on this machine."""

    client_id: str = Field(min_length=1, max_length=200)
    """The console's id at the provider. Its redirect address there is `remediator.url` followed by
    `/console/sign-in/oidc/callback`."""

    client_secret: SecretRef | None = None
    """Its secret there. None: a public client; PKCE is used in either case."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """What is asked for; some providers want `groups` among them before they tell groups."""

    name_claim: str = "preferred_username"
    """The claim that names a person in the audit. Take one that people cannot change themselves."""

    groups_claim: str = "groups"
    """The claim that holds their groups, as a list or one text."""

    ca_file: ConfigPath | None = None
    """Who signs the provider's certificate, as PEM. None: the system's authorities."""

    proxy: HttpUrl | None = None
    """The proxy through which the provider is reached."""

    timeout: Duration = timedelta(seconds=10)
    """How long it may take to answer."""

    @model_validator(mode="after")
    def _asks_for_identity(self) -> Self:
        if "openid" not in self.scopes:
            raise wrong("scopes", "must hold openid: without it nobody is named")
        return self


class AuthProxy(Section):
    """Sign-in by a proxy in front (oauth2-proxy, Authelia, an ingress) that names people in headers."""

    trusted: tuple[str, ...] = Field(min_length=1)
    """From where such headers are believed, as addresses or networks (`10.1.2.3`, `10.1.0.0/24`): the
    connection's own other end, whatever any header says. From anywhere else they count for nothing."""

    user_header: str = Field(default="X-Forwarded-User", pattern=r"^[A-Za-z0-9-]{1,64}$")
    """The header with the person's name."""

    groups_header: str = Field(default="X-Forwarded-Groups", pattern=r"^[A-Za-z0-9-]{1,64}$")
    """The header with their groups, separated by commas."""

    @field_validator("trusted")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                network = ip_network(one, strict=False)
            except ValueError:
                raise ValueError(f"{one!r} is neither an address nor a network") from None
            if network.prefixlen == 0:
                raise ValueError(f"{one!r} is everybody: whoever connects could be anybody")
        return value

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted addresses as networks."""
        return tuple(ip_network(one, strict=False) for one in self.trusted)


class Console(Section):
    """The console: pages that show what is going on, and take a person's orders."""

    enabled: bool = True
    """Whether there is a console, at `/console/` of the remediator's address. Operators sign in with
    their `password_hash`, or with their token. Taken at the start."""

    session: Duration = timedelta(hours=12)
    """How long one sign-in lasts."""

    idle: Duration = timedelta(hours=2)
    """After how long without a page it ends before."""

    oidc: OpenIdConnect | None = None
    """Sign-in at an OpenID Connect provider. None: there is no such button."""

    proxy: AuthProxy | None = None
    """Sign-in by a proxy's headers. None: headers name nobody."""

    roles: dict[str, RoleName] = Field(default_factory=dict)
    """What the members of a group are who come by `oidc` or `proxy`; of several groups the highest counts.
    `remediator.approvers` and `remediator.admins` add to it."""

    others: Literal["nobody", "viewer"] = "nobody"
    """What people are whose groups have no role: `nobody` turns them away, `viewer` lets them look."""

    @model_validator(mode="after")
    def _somebody_comes_in(self) -> Self:
        if (self.oidc or self.proxy) and not self.roles and self.others == "nobody":
            raise wrong("roles", "is empty: whoever signs in by oidc or proxy would be turned away")
        for name in ("session", "idle"):
            if not timedelta(minutes=1) <= getattr(self, name) <= timedelta(days=31):
                raise wrong(name, "must be between 1m and 31d")
        return self
