"""Who may say what: operators known by their tokens, and what each of them may order."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from airwarden.core.errors import RejectedError


class Right(StrEnum):
    """What takes more than a valid token."""

    #: Agree to a plan.
    APPROVE = "approve a plan"
    #: Let something act that was kept from it: re-arm, raise a mode, end a freeze, judge.
    ARM = "let remedies act again"
    #: Let a playbook act before it has earned it.
    OVERRIDE = "let a playbook act before it has earned it"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who shows a token.

    Attributes:
        name: As the audit calls them.
        groups: What they belong to.
        person: False for a pipeline or script: it may stop and never arm.
        own_token: Whether the token is theirs alone; the name behind the common one proves nothing.
    """

    name: str
    groups: frozenset[str] = frozenset()
    person: bool = True
    own_token: bool = True


@dataclass(frozen=True, slots=True)
class Operators:
    """The operators with tokens of their own.

    Attributes:
        by_digest: SHA-256 of the token → operator. The tokens themselves are not kept.
        approvers: Groups that may approve plans; none: every person may.
        admins: Groups that may override promotion; none: every person may.
    """

    by_digest: Mapping[bytes, Operator] = field(default_factory=dict)
    approvers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()

    def recognise(self, shown: str) -> Operator | None:
        """Return whose token was shown. All are compared, each in constant time."""
        mine = digest(shown)
        found: Operator | None = None
        for known, operator in self.by_digest.items():
            if hmac.compare_digest(known, mine):
                found = operator
        return found

    def require(self, operator: Operator, right: Right) -> None:
        """Raise RejectedError, which names the mend, where an operator does not have a right."""
        if not operator.person:
            raise RejectedError(
                f"{operator.name} is no person (remediator.operators.{operator.name}.person is false):"
                f" only a person may {right}"
            )
        wanted, key = self._wanted(right)
        if not wanted or wanted & operator.groups:
            return
        names = ", ".join(sorted(wanted))
        if not operator.own_token:
            raise RejectedError(
                f"the common token proves no person: to {right}, show a token of your own that"
                f" remediator.operators gives the group {names}"
            )
        raise RejectedError(
            f"{operator.name} may not {right}: that takes one of the groups {names} (remediator.{key})"
        )

    def _wanted(self, right: Right) -> tuple[frozenset[str], str]:
        if right is Right.APPROVE:
            return self.approvers, "approvers"
        if right is Right.OVERRIDE:
            return self.admins, "admins"
        return frozenset(), ""


def digest(token: str) -> bytes:
    """Return the hash that stands for a token."""
    return hashlib.sha256(token.strip().encode()).digest()


def common(name: str) -> Operator:
    """Return who shows the common token, by the name that they give themselves."""
    return Operator(name, own_token=False)
