"""The console's terms out of the settings: sign-in, roles, and what it shows of the settings themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from airwarden.adapters.secrets import read_secret
from airwarden.core.clock import Clock
from airwarden.core.durations import format_duration
from airwarden.core.ports import IdentityProvider
from airwarden.core.settings import SecretRef, Settings
from airwarden.core.settings.base import ListenAddress
from airwarden.remediation.console_terms import ConsoleTerms, ProxyTerms
from airwarden.remediation.operators import Role

#: Hashes are no secrets, and nobody's business either.
_HIDDEN = frozenset({"password_hash", "token_sha256"})


def terms(settings: Settings, clock: Clock) -> ConsoleTerms:
    """Return how the console is run; raises WrongInputError where a secret cannot be read."""
    wanted = settings.remediator.console
    proxy = wanted.proxy
    return ConsoleTerms(
        enabled=wanted.enabled,
        session=wanted.session,
        idle=wanted.idle,
        url=settings.remediator_url,
        provider=_provider(settings, clock),
        proxy=ProxyTerms(proxy.networks, proxy.user_header, proxy.groups_header) if proxy else None,
        roles={group: Role(role) for group, role in wanted.roles.items()},
        others=Role.VIEWER if wanted.others == "viewer" else None,
        airflow={cluster.name: cluster.airflow.url for cluster in settings.clusters},
        shown=shown(settings),
    )


def _provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    wanted = settings.remediator.console.oidc
    if wanted is None:
        return None
    from airwarden.adapters.oidc import OidcTerms, OpenIdProvider

    reference, place = wanted.client_secret, "remediator.console.oidc.client_secret"

    def secret() -> str:
        assert reference is not None  # noqa: S101 - only asked where there is one
        return read_secret(reference, place=place).get_secret_value()

    if reference is not None:
        secret()
    return OpenIdProvider(
        OidcTerms(
            issuer=wanted.issuer,
            client_id=wanted.client_id,
            secret=secret if reference is not None else None,
            scopes=wanted.scopes,
            name_claim=wanted.name_claim,
            groups_claim=wanted.groups_claim,
            verify=str(wanted.ca_file) if wanted.ca_file else True,
            proxy=wanted.proxy,
            deadline=wanted.timeout.total_seconds(),
        ),
        elapsed=clock.elapsed,
        now=lambda: clock.now().timestamp(),
    )


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings in force as plain values, a secret by where it is found."""
    found = _plain(settings)
    assert isinstance(found, dict)  # noqa: S101 - of a section
    return found


def _plain(value: Any) -> Any:
    match value:
        case SecretRef():
            return f"({value.describe()})"
        case ListenAddress():
            return str(value)
        case BaseModel():
            return {
                name: "(hidden)" if name in _HIDDEN and one is not None else _plain(one)
                for name in type(value).model_fields
                if (one := getattr(value, name)) not in (None, (), {}, "")
            }
        case timedelta():
            return format_duration(value)
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case tuple() | list() | set() | frozenset():
            return [_plain(one) for one in value]
        case bool() | int() | float() | str() | None:
            return value
        case Path():
            return str(value)
        case _:
            return str(value)
