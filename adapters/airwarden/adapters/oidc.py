"""The `IdentityProvider` port over OpenID Connect: authorization code with PKCE, the ID token validated."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Identity

#: Asymmetric ones only: with a shared secret, whoever knows it could sign as the provider.
_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
#: Seconds for which the provider's addresses are kept, and by which clocks may differ.
_KEEP, _LEEWAY = 3600.0, 60
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class OidcTerms:
    """How the console is known at the provider.

    Attributes:
        issuer: The provider's address, without a trailing slash.
        secret: Returns the client's secret as it is now; None for a public client.
        name_claim: Names the person.
        groups_claim: Holds their groups.
        verify: A file of authorities, or True for the system's.
    """

    issuer: str
    client_id: str
    secret: Callable[[], str] | None = None
    scopes: Sequence[str] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    verify: str | bool = True
    proxy: str | None = None
    deadline: float = 10.0
    transport: httpx.BaseTransport | None = field(default=None, repr=False)


class OpenIdProvider:
    """One provider; its addresses and keys are read when they are first needed.

    Args:
        terms: See `OidcTerms`.
        elapsed: Seconds of a clock that only goes forward.
        now: Unix time, against which the ID token's times are held.
    """

    def __init__(
        self, terms: OidcTerms, elapsed: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._terms, self._elapsed, self._now = terms, elapsed, now
        self._mutex = threading.Lock()
        self._found: tuple[float, Mapping[str, Any]] | None = None
        self._client = partial(
            httpx.Client,
            timeout=terms.deadline,
            verify=terms.verify,
            proxy=terms.proxy,
            transport=terms.transport,
            trust_env=False,
            follow_redirects=False,
        )

    def begin(self, *, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return the provider's address to send a person to; raises UnavailableError or RejectedError."""
        challenge = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "client_id": self._terms.client_id,
            "response_type": "code",
            "redirect_uri": redirect,
            "scope": " ".join(self._terms.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        there = self._address("authorization_endpoint")
        return f"{there}{'&' if '?' in there else '?'}{urlencode(asked)}"

    def finish(self, code: str, *, redirect: str, nonce: str, verifier: str) -> Identity:
        """Return whom a code stands for; raises UnavailableError or RejectedError."""
        token = self._token(code, redirect, verifier)
        claims = dict(self._claims(str(token.get("id_token", "")), nonce))
        if self._terms.name_claim not in claims or self._terms.groups_claim not in claims:
            claims = {**self._told(token, str(claims["sub"])), **claims}
        name = claims.get(self._terms.name_claim)
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise RejectedError(
                f"the provider does not say {self._terms.name_claim}"
                " (remediator.console.oidc.name_claim names another claim)"
            )
        groups = claims.get(self._terms.groups_claim, ())
        listed = [groups] if isinstance(groups, str) else groups
        if not isinstance(listed, list | tuple):
            listed = ()
        return Identity(name.strip()[:200], frozenset(str(one)[:200] for one in listed[:500]))

    def _token(self, code: str, redirect: str, verifier: str) -> Mapping[str, Any]:
        terms = self._terms
        secret = terms.secret() if terms.secret is not None else ""
        ways = self._discovered().get("token_endpoint_auth_methods_supported", ())
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        basic: httpx.Auth | None = None
        if secret and (not ways or "client_secret_basic" in ways):
            # Both are encoded as in a form before they become one text (RFC 6749, 2.3.1).
            basic = httpx.BasicAuth(quote_plus(terms.client_id), quote_plus(secret))
        else:
            form |= {"client_id": terms.client_id, **({"client_secret": secret} if secret else {})}
        try:
            with self._client() as client:
                answer = client.post(
                    self._address("token_endpoint"),
                    data=form,
                    auth=basic or httpx.USE_CLIENT_DEFAULT,
                )
            body = answer.json()
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the provider does not answer: {type(error).__name__}"
            ) from None
        except ValueError:
            body = None
        if answer.status_code >= 500:
            raise UnavailableError(f"the provider answered {answer.status_code}")
        if not isinstance(body, dict) or answer.status_code != 200 or "error" in body:
            why = body.get("error") if isinstance(body, dict) else None
            raise RejectedError(f"the provider refuses: {str(why or answer.status_code)[:100]}")
        return body

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Return what a valid ID token says; raises RejectedError for any other."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        keys: Any = self._get(self._address("jwks_uri"))
        try:
            read = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(_ALGORITHMS))
            rules = jwt.JWTClaimsRegistry(
                now=lambda: int(self._now()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self._discovered()["issuer"]},
                sub={"essential": True},
                aud={"essential": True, "value": self._terms.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(read.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise RejectedError(f"the provider's ID token does not hold: {error}") from None
        several = isinstance(read.claims["aud"], list) and len(read.claims["aud"]) > 1
        if several and read.claims.get("azp") != self._terms.client_id:
            raise RejectedError("the provider's ID token was made for another client")
        return read.claims

    def _told(self, token: Mapping[str, Any], subject: str) -> Mapping[str, Any]:
        """Return what the provider tells beside the ID token, if it is about the same person."""
        address = self._discovered().get("userinfo_endpoint")
        if not address:
            return {}
        headers = {"Authorization": f"Bearer {token.get('access_token', '')}"}
        told = self._get(str(address), headers)
        if told.get("sub") != subject:
            raise RejectedError("the provider tells of another person than it named")
        return told

    def _address(self, name: str) -> str:
        found = self._discovered().get(name)
        if not isinstance(found, str):
            raise RejectedError(f"the provider names no {name}")
        parts = urlsplit(found)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise RejectedError(f"the provider's {name} is not https")
        return found

    def _discovered(self) -> Mapping[str, Any]:
        with self._mutex:
            if self._found is None or self._elapsed() - self._found[0] > _KEEP:
                told = self._get(f"{self._terms.issuer}/.well-known/openid-configuration")
                if str(told.get("issuer", "")).rstrip("/") != self._terms.issuer:
                    raise RejectedError(
                        "the provider calls itself by another name than the issuer's"
                    )
                self._found = (self._elapsed(), told)
            return self._found[1]

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            with self._client() as client:
                answer = client.get(url, headers=headers)
            body = answer.json() if answer.status_code == 200 else None
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the provider does not answer: {type(error).__name__}"
            ) from None
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise UnavailableError(f"the provider answered {answer.status_code} to {url}")
        return body
