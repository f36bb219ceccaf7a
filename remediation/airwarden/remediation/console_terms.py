"""What the console is run with: how people sign in, what they are, and what it shows of the settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from airwarden.core.ports import IdentityProvider
from airwarden.remediation.operators import Role


@dataclass(frozen=True, slots=True)
class ProxyTerms:
    """Who is believed when they name people in headers."""

    networks: Sequence[IPv4Network | IPv6Network]
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"

    def believes(self, peer: str) -> bool:
        """Return whether the other end of a connection is one of these."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        # An IPv4 peer of a socket for both is written as IPv6.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class ConsoleTerms:
    """The console, as a reload replaces it.

    Attributes:
        enabled: Whether there is one; taken at the start.
        session: How long one sign-in lasts.
        idle: After how long without a page it ends before.
        url: The address that people know it by, without a trailing slash.
        provider: Where people may sign in; None: nowhere else.
        proxy: Who may name people in headers; None: nobody.
        roles: Group → role, for those who come by provider or proxy.
        others: What everybody else is there; None: turned away.
        airflow: Cluster → the address of its Airflow, for links.
        shown: The settings in force, each secret by where it is found.
    """

    enabled: bool = True
    session: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=2)
    url: str = ""
    provider: IdentityProvider | None = None
    proxy: ProxyTerms | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    others: Role | None = None
    airflow: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secure(self) -> bool:
        """Whether people reach it by HTTPS: then its cookie travels by nothing else."""
        return self.url.startswith("https://")

    def role_of(self, groups: Collection[str]) -> Role | None:
        """Return the highest role that groups give; None for somebody who has no place here."""
        found = [self.roles[one] for one in groups if one in self.roles]
        return max(found, key=lambda role: role.rank, default=self.others)
