"""Signing in at an OpenID Connect provider that is a real one: discovery, PKCE, signed ID tokens."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from airwarden.adapters.oidc import OidcTerms, OpenIdProvider
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.remediation.operators import Role
from support.console_stage import Stage, Visitor

#: The provider's own library warns of its future.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SECRET = "client-secret-" + "s" * 24
PEOPLE = {
    "ada": {"preferred_username": "ada", "groups": ["sre", "dev"]},
    "bob": {"preferred_username": "bob", "groups": ["marketing"]},
    "eve": {"groups": ["sre"]},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock
    with oidc_provider_mock.run_server_in_thread(port=0, require_nonce=True) as server:
        url = f"http://localhost:{server.server_port}"
        for name, claims in PEOPLE.items():
            httpx.put(f"{url}/users/{name}", json=claims, trust_env=False).raise_for_status()
        yield url


def provider(issuer: str, **more: Any) -> OpenIdProvider:
    terms = OidcTerms(issuer=issuer, client_id="airwarden", secret=lambda: SECRET, **more)
    return OpenIdProvider(terms, time.monotonic, time.time)


@pytest.fixture
def console(stage: Stage, issuer: str) -> Stage:
    from dataclasses import replace

    stage.terms = replace(stage.terms, provider=provider(issuer), roles={"sre": Role.APPROVER})
    return stage


def go(visitor: Visitor, name: str, after: str = "/console/incidents") -> httpx.Response:
    """Go to the provider, say who one is, and come back."""
    there = visitor.get(f"/sign-in/oidc?{urlencode({'next': after})}")
    assert there.status_code == 303, there.text
    with httpx.Client(trust_env=False) as away:
        back = away.post(there.headers["location"], data={"sub": name, "action": "authorize"})
    assert back.status_code in (302, 303), back.text
    return visitor.http.get(back.headers["location"])


def test_who_signs_in_there_is_signed_in_here_with_the_role_of_their_groups(
    console: Stage,
) -> None:
    visitor = Visitor(console.url)
    assert "single sign-on" in visitor.get("/sign-in").text
    answer = go(visitor, "ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/incidents")
    page = visitor.get("/").text
    assert re.search(r'class="name">ada<', page)
    assert re.search(r'class="role">approver<', page)


def test_who_has_no_role_or_no_name_is_turned_away(console: Stage) -> None:
    answer = go(Visitor(console.url), "bob")
    assert answer.status_code == 403
    assert "no role for bob" in answer.text
    answer = go(Visitor(console.url), "eve")
    assert answer.status_code == 403
    assert "does not say preferred_username" in answer.text


def test_an_answer_is_good_once_and_only_for_whoever_asked(console: Stage) -> None:
    visitor = Visitor(console.url)
    there = visitor.get("/sign-in/oidc")
    with httpx.Client(trust_env=False) as away:
        back = away.post(there.headers["location"], data={"sub": "ada", "action": "authorize"})
    way = back.headers["location"]
    # Somebody else's browser, to which the link was sent.
    assert Visitor(console.url).http.get(way).status_code == 403
    wrong = way.replace("state=", "state=x")
    assert visitor.http.get(wrong).status_code == 403
    assert visitor.http.get(way).status_code == 303
    assert visitor.http.get(way).status_code == 403


def test_a_provider_that_says_no_or_does_not_answer_is_named(console: Stage, issuer: str) -> None:
    from dataclasses import replace

    visitor = Visitor(console.url)
    there = visitor.get("/sign-in/oidc")
    asked = parse_qs(urlsplit(there.headers["location"]).query)
    answer = visitor.get(
        f"/sign-in/oidc/callback?{urlencode({'state': asked['state'][0], 'error': 'access_denied'})}"
    )
    assert answer.status_code == 403
    assert "did not sign you in: access_denied" in answer.text
    console.terms = replace(console.terms, provider=provider("http://localhost:9"))
    gone = Visitor(console.url).get("/sign-in/oidc")
    assert gone.status_code == 503
    assert "the provider does not answer" in gone.text.lower()
    assert console.visitor().get("/").status_code == 200  # accounts of the settings go on


def flow(one: OpenIdProvider, name: str) -> str:
    """Return the code of somebody who signs in."""
    redirect = "http://127.0.0.1/console/sign-in/oidc/callback"
    there = one.begin(redirect=redirect, state="s" * 24, nonce="n" * 24, verifier="v" * 64)
    with httpx.Client(trust_env=False) as away:
        back = away.post(there, data={"sub": name, "action": "authorize"})
    return parse_qs(urlsplit(back.headers["location"]).query)["code"][0]


REDIRECT = "http://127.0.0.1/console/sign-in/oidc/callback"


def test_an_id_token_of_another_errand_or_time_does_not_hold(issuer: str) -> None:
    one = provider(issuer)
    said = {"redirect": REDIRECT, "nonce": "n" * 24, "verifier": "v" * 64}
    assert one.finish(flow(one, "ada"), **said).groups == {"sre", "dev"}
    with pytest.raises(RejectedError, match="does not hold"):
        one.finish(flow(one, "ada"), **{**said, "nonce": "m" * 24})
    with pytest.raises(RejectedError, match="refuses"):
        one.finish("no-such-code", **said)
    terms = OidcTerms(issuer=issuer, client_id="airwarden", secret=lambda: SECRET)
    late = OpenIdProvider(terms, time.monotonic, lambda: time.time() + 100_000)
    with pytest.raises(RejectedError, match="does not hold"):
        late.finish(flow(late, "ada"), **said)


def test_the_challenge_is_the_one_of_rfc_7636(issuer: str) -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    there = provider(issuer).begin(redirect=REDIRECT, state="s", nonce="n", verifier=verifier)
    asked = parse_qs(urlsplit(there).query)
    assert asked["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]
    assert asked["code_challenge_method"] == ["S256"]


def test_a_token_signed_by_another_key_or_not_at_all_does_not_hold(issuer: str) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    claims = {
        "iss": issuer, "sub": "ada", "aud": "airwarden", "nonce": "n" * 24,
        "iat": int(time.time()), "exp": int(time.time()) + 60, "preferred_username": "ada",
    }  # fmt: skip
    one = provider(issuer)
    stranger = RSAKey.generate_key(2048, auto_kid=True)
    for header, key in (
        ({"alg": "RS256"}, stranger),
        ({"alg": "HS256"}, OctKey.import_key(SECRET)),
    ):
        forged = jwt.encode(header, claims, key)
        with pytest.raises(RejectedError, match="does not hold"):
            one._claims(forged, "n" * 24)


def test_an_issuer_of_another_name_is_not_believed() -> None:
    said = {"issuer": "https://evil.example"}
    way = httpx.MockTransport(lambda _request: httpx.Response(200, json=said))
    other = provider("https://idp.example.com", transport=way)
    with pytest.raises(RejectedError, match="another name"):
        other.begin(redirect=REDIRECT, state="s", nonce="n", verifier="v" * 64)


def test_an_endpoint_in_the_clear_elsewhere_is_not_used() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200,
            json={
                "issuer": "https://idp.example.com",
                "authorization_endpoint": "http://idp.example.com/authorize",
            },
        )

    one = provider("https://idp.example.com", transport=httpx.MockTransport(answer))
    with pytest.raises(RejectedError, match="is not https"):
        one.begin(redirect=REDIRECT, state="s", nonce="n", verifier="v" * 64)


def test_what_is_no_discovery_document_is_no_provider() -> None:
    way = httpx.MockTransport(lambda _request: httpx.Response(200, text="<html>"))
    with pytest.raises(UnavailableError, match="answered 200"):
        provider("https://idp.example.com", transport=way).begin(
            redirect=REDIRECT, state="s", nonce="n", verifier="v" * 64
        )
