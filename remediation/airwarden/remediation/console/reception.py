"""Who is here: signing in by password, token, provider or proxy; sessions; what each person may do."""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

import structlog
from pydantic import SecretStr

from airwarden.core.errors import RejectedError
from airwarden.core.platform import Identity
from airwarden.remediation.api.pace import Pace
from airwarden.remediation.console import passwords
from airwarden.remediation.console_terms import ConsoleTerms, ProxyTerms
from airwarden.remediation.journal import audit, visits
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.journal.visits import Visit, Way
from airwarden.remediation.operators import Operator, Operators, common, digest

_log = structlog.get_logger(__name__)
#: Failed sign-ins from one address at once and a second after that, and with one name.
_ADDRESS, _ADDRESS_RATE = 10, 1 / 30
_NAME, _NAME_RATE = 20, 1 / 30
#: Seconds for which a session is believed without asking the journal, and how many are remembered.
_FRESH, _REMEMBERED = 3.0, 4096
#: Between two notes that a session is still used.
_NOTED = timedelta(minutes=1)
_WRONG = "That name and password do not belong together."


class TooOftenError(RejectedError):
    """Somebody has failed to sign in too often."""

    http_status: ClassVar[int] = 429

    def __init__(self, wait: float) -> None:
        super().__init__(f"Too many failed sign-ins: try again in {max(1, round(wait))} s.")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a page, and by which session."""

    operator: Operator
    visit: Visit


class Reception:
    """Signs people in and out, and knows them again; safe for threads.

    Args:
        journal: Keeps the sessions.
        operators: Those of the settings, as they are known now.
        common_token: Opens the console, too, for whoever gives a name.
        terms: As they are in force now.
        elapsed: Seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        journal: Journal,
        operators: Callable[[], Operators],
        common_token: SecretStr,
        terms: Callable[[], ConsoleTerms],
        elapsed: Callable[[], float],
    ) -> None:
        self._journal, self._terms, self._elapsed = journal, terms, elapsed
        self.operators = operators
        self._common = digest(common_token.get_secret_value())
        self._addresses = Pace(_ADDRESS_RATE, _ADDRESS, elapsed)
        self._names = Pace(_NAME_RATE, _NAME, elapsed)
        self._mutex = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Visit]] = OrderedDict()

    # --- knowing people again -----------------------------------------------------------------------

    def remembered(self, token: str, named: Identity | None) -> Visitor | None:
        """Return who has this cookie if that was asked a moment ago; waits for nothing."""
        with self._mutex:
            kept = self._known.get(visits.hashed(token))
        if kept is None or self._elapsed() - kept[0] > _FRESH:
            return None
        return self._visitor(kept[1], named)

    def recognise(self, token: str, named: Identity | None, *, by_hand: bool) -> Visitor | None:
        """Return who has this cookie; None for nobody, or a session that is over.

        Args:
            token: What the cookie holds.
            named: Whom a believed proxy names with this very request.
            by_hand: A person asked for a page, not a page for its own renewal.

        Raises:
            UnavailableError: The journal does not answer.
        """
        terms = self._terms()
        with self._journal.read() as tx:
            found = visits.find(tx, token, idle=terms.idle)
            now = tx.now
        if found is None:
            return None
        if by_hand and now - found.seen_at > _NOTED:
            with self._journal.write() as tx:
                visits.seen(tx, found)
            found = replace(found, seen_at=now)
        with self._mutex:
            self._known[found.token_hash] = (self._elapsed(), found)
            self._known.move_to_end(found.token_hash)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._visitor(found, named)

    def _visitor(self, one: Visit, named: Identity | None) -> Visitor | None:
        """Return what a session's person is now: the settings may have changed since it began."""
        operators = self.operators()
        operator: Operator | None
        match one.way:
            case Way.PASSWORD:
                known = operators.passwords.get(one.name)
                operator = known[0] if known else None
            case Way.TOKEN:
                known_by_token = operators.by_digest.values()
                operator = next((it for it in known_by_token if it.name == one.name), None)
            case Way.COMMON:
                operator = common(one.name)
            case Way.OIDC:
                operator = self._theirs(Identity(one.name, one.groups))
                operator = operator if self._terms().provider is not None else None
            case Way.PROXY:
                # The proxy says with every request who it is, and may say somebody else.
                same = named is not None and named.name == one.name
                operator = self._theirs(named) if named is not None and same else None
        return Visitor(operator, one) if operator is not None else None

    def _theirs(self, person: Identity) -> Operator | None:
        role = self._terms().role_of(person.groups)
        return None if role is None else Operator(person.name, person.groups, role=role)

    # --- signing in ---------------------------------------------------------------------------------

    def sign_in(self, name: str, shown: str, address: str) -> str:
        """Return the cookie's content for a name and its password or token.

        Raises:
            RejectedError: They do not belong together; TooOftenError where that was so too often.
            UnavailableError: Too many sign in at once, or the journal does not answer.
        """
        name = name.strip()
        waits = (
            self._addresses.wait(address, take=False),
            self._names.wait(name.casefold(), take=False),
        )
        if any(waits):
            raise TooOftenError(max(waits))
        found = self._by_secret(name, shown)
        if found is None:
            self._addresses.wait(address)
            self._names.wait(name.casefold())
            _log.warning("sign-in refused", name=name[:80], address=address)
            raise RejectedError(_WRONG)
        return self._begin(*found)

    def _by_secret(self, name: str, shown: str) -> tuple[Operator, Way] | None:
        if not shown or not name or len(name) > 200 or not name.isprintable():
            return None
        operators = self.operators()
        owner = operators.recognise(shown)
        if owner is not None:
            # Somebody else's name with their token is nobody's.
            return (owner, Way.TOKEN) if owner.person and owner.name == name else None
        if hmac.compare_digest(digest(shown), self._common):
            # A name that the settings know is proved, not given.
            return (common(name), Way.COMMON) if operators.named(name) is None else None
        known = operators.passwords.get(name)
        right = passwords.holds(known[1] if known else None, shown)
        return (known[0], Way.PASSWORD) if known and right else None

    def by_provider(self, person: Identity) -> str:
        """Return the cookie's content for whom the provider names; raises RejectedError."""
        return self._admit(person, Way.OIDC)

    def by_proxy(self, person: Identity) -> str:
        """Return the cookie's content for whom a believed proxy names; raises RejectedError."""
        return self._admit(person, Way.PROXY)

    def _admit(self, person: Identity, way: Way) -> str:
        found = self._theirs(person)
        if found is None:
            named = ", ".join(sorted(person.groups)[:20]) or "none"
            raise RejectedError(
                f"there is no role for {person.name}: none of their groups ({named}) has one in"
                " remediator.console.roles"
            )
        return self._begin(found, way)

    def _begin(self, person: Operator, way: Way) -> str:
        groups = person.groups if way in (Way.OIDC, Way.PROXY) else frozenset()
        with self._journal.write() as tx:
            token, one = visits.begin(
                tx, name=person.name, way=way, groups=groups, lasts=self._terms().session
            )
            audit.append(
                tx,
                actor=person.name,
                action="sign-in",
                object=f"person/{person.name}"[:512],
                sentence=f"{person.name} signs in to the console ({_WAYS[way]}).",
            )
        with self._mutex:
            self._known[one.token_hash] = (self._elapsed(), one)
        return token

    def sign_out(self, visitor: Visitor) -> None:
        """End a session."""
        with self._mutex:
            self._known.pop(visitor.visit.token_hash, None)
        with self._journal.write() as tx:
            visits.end(tx, visitor.visit.token_hash)


_WAYS = {
    Way.PASSWORD: "by password",
    Way.TOKEN: "by token",
    Way.COMMON: "by the common token: the name is not proved",
    Way.OIDC: "at the identity provider",
    Way.PROXY: "named by the proxy",
}


def named_by_proxy(
    terms: ProxyTerms | None, peer: str, headers: Mapping[str, str]
) -> Identity | None:
    """Return whom a request's headers name, if they come from where they are believed."""
    if terms is None or not terms.believes(peer):
        return None
    name = headers.get(terms.user_header.lower(), "").strip()
    if not name or len(name) > 200 or not name.isprintable():
        return None
    groups = headers.get(terms.groups_header.lower(), "").split(",")
    return Identity(name, frozenset(one.strip() for one in groups if one.strip()))
