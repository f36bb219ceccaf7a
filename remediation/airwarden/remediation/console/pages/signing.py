"""Signing in and out, and what pages load."""

from __future__ import annotations

import hmac
import json
import secrets

from airwarden.core.errors import NotFoundError, RejectedError
from airwarden.remediation.console.desk import Desk, Pages
from airwarden.remediation.console.reception import Reception, TooOftenError
from airwarden.remediation.console.render import environment, static
from airwarden.remediation.console.web import BASE, Answer, Asked, Cookie, inside, see
from airwarden.remediation.console_terms import ConsoleTerms

#: Seconds that somebody may take at the provider.
_AWAY = 600
_PLACE = f"{BASE}/sign-in/oidc"


class Signing(Pages):
    """The way in and out.

    Args:
        desk: See `Desk`.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._reception: Reception = desk.reception

    @property
    def _terms(self) -> ConsoleTerms:
        return self.desk.terms()

    @property
    def _session(self) -> str:
        return "__Host-airwarden" if self._terms.secure else "airwarden"

    @property
    def _errand(self) -> str:
        # Sent to the way back alone, so without the prefix that asks for every path.
        return "__Secure-airwarden-errand" if self._terms.secure else "airwarden-errand"

    def show(self, asked: Asked) -> Answer:
        """The form, or the way to the first page for who is signed in already."""
        return self._form(asked, inside(asked.query.get("next", "")), "")

    def _form(
        self, asked: Asked, after: str, said: str, status: int = 200, name: str = ""
    ) -> Answer:
        body = (
            environment()
            .get_template("sign_in.html")
            .render(
                title="Sign in",
                after=after,
                said=said,
                name=name,
                provider=self._terms.provider is not None,
                unsafe=not self._terms.secure and not _here(asked.host),
            )
        )
        return Answer(body, status)

    def enter(self, asked: Asked) -> Answer:
        """Sign in by name and password, or token."""
        name, after = asked.form.get("name", ""), inside(asked.form.get("next", ""))
        try:
            token = self._reception.sign_in(name, asked.form.get("password", ""), asked.address)
        except RejectedError as error:
            status = error.http_status if isinstance(error, TooOftenError) else 401
            return self._form(asked, after, str(error), status, name[:200])
        return see(after, self._cookie(token))

    def leave(self, asked: Asked) -> Answer:
        """Sign out."""
        self._reception.sign_out(asked.who)
        return see(f"{BASE}/sign-in", Cookie(self._session, "", 0))

    def _cookie(self, token: str) -> Cookie:
        return Cookie(self._session, token, int(self._terms.session.total_seconds()))

    def to_provider(self, asked: Asked) -> Answer:
        """Send a person to the provider, and remember for the way back what only they know."""
        provider = self._terms.provider
        if provider is None:
            raise NotFoundError("there is no identity provider (remediator.console.oidc)")
        errand = {
            "state": secrets.token_urlsafe(24),
            "nonce": secrets.token_urlsafe(24),
            "verifier": secrets.token_urlsafe(48),
        }
        there = provider.begin(redirect=self._redirect(asked), **errand)
        kept = json.dumps({**errand, "next": inside(asked.query.get("next", ""))})
        return see(there, Cookie(self._errand, kept.encode().hex(), _AWAY, _PLACE))

    def from_provider(self, asked: Asked) -> Answer:
        """Sign in who comes back from the provider."""
        provider, errand = self._terms.provider, self._kept(asked)
        if provider is None or errand is None:
            raise RejectedError("This sign-in was not begun here, or too long ago: begin again.")
        if not hmac.compare_digest(errand["state"].encode(), asked.query.get("state", "").encode()):
            raise RejectedError("This answer belongs to another sign-in: begin again.")
        if error := asked.text("error"):
            raise RejectedError(f"The provider did not sign you in: {error}.")
        person = provider.finish(
            asked.query.get("code", ""),
            redirect=self._redirect(asked),
            nonce=errand["nonce"],
            verifier=errand["verifier"],
        )
        token = self._reception.by_provider(person)
        gone = Cookie(self._errand, "", 0, _PLACE)
        return see(inside(errand["next"]), gone, self._cookie(token))

    def _kept(self, asked: Asked) -> dict[str, str] | None:
        try:
            found = json.loads(bytes.fromhex(asked.cookies.get(self._errand, "")))
        except ValueError:
            return None
        wanted = ("state", "nonce", "verifier", "next")
        if not isinstance(found, dict) or any(not found.get(one) for one in wanted):
            return None
        return {one: str(found[one]) for one in wanted}

    def _redirect(self, asked: Asked) -> str:
        return f"{self._terms.url or f'http://{asked.host}'}{_PLACE}/callback"

    def file(self, asked: Asked) -> Answer:
        """What pages load; its address changes with its content."""
        found = static().get(asked.place["name"])
        if found is None:
            raise NotFoundError("there is no such file")
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Answer(found[0], kind=found[1], headers=kept)


def _here(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    return name in ("127.0.0.1", "localhost", "[::1]")
