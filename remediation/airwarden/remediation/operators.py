"""Who may say what: operators known by their tokens, and what each of them may order."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from airwarden.core.errors import RejectedError


class Role(StrEnum):
    """What somebody is to the remediator; each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for the one that may least."""
        return list(Role).index(self)


class Right(StrEnum):
    """What takes more than a valid token."""

    #: Look.
    READ = "look"
    #: Stop, take over, begin maintenance, deny.
    ORDER = "give orders"
    #: Let something act that was kept from it: re-arm, raise a mode, end a freeze, judge.
    ARM = "let remedies act again"
    #: Agree to a plan.
    APPROVE = "approve a plan"
    #: Let a playbook act before it has earned it.
    OVERRIDE = "let a playbook act before it has earned it"

    @property
    def role(self) -> Role:
        """The least role that has it."""
        return _ROLES[self]


_ROLES = {
    Right.READ: Role.VIEWER,
    Right.ORDER: Role.OPERATOR,
    Right.ARM: Role.OPERATOR,
    Right.APPROVE: Role.APPROVER,
    Right.OVERRIDE: Role.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Operator:
    """Who shows a token.

    Attributes:
        name: As the audit calls them.
        groups: What they belong to.
        person: False for a pipeline or script: it may stop and never arm.
        own_token: Whether the token is theirs alone; the name behind the common one proves nothing.
        role: What they are; None is an operator who, where no groups are named for a right, has it.
    """

    name: str
    groups: frozenset[str] = frozenset()
    person: bool = True
    own_token: bool = True
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Operators:
    """The operators with tokens of their own.

    Attributes:
        by_digest: SHA-256 of the token → operator. The tokens themselves are not kept.
        approvers: Groups that may approve plans; none: every person without a role may.
        admins: Groups that may override promotion; none: every person without a role may.
        by_chat: Their id in Slack → operator.
        passwords: Name → operator and the Argon2id hash of the password that opens the console.
    """

    by_digest: Mapping[bytes, Operator] = field(default_factory=dict)
    approvers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    by_chat: Mapping[str, Operator] = field(default_factory=dict)
    passwords: Mapping[str, tuple[Operator, str]] = field(default_factory=dict, repr=False)

    def named(self, name: str) -> Operator | None:
        """Return the operator of that name, None where the settings have none."""
        if name in self.passwords:
            return self.passwords[name][0]
        return next((one for one in self.by_digest.values() if one.name == name), None)

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
        if right is Right.READ:
            return
        if operator.role is Role.VIEWER:
            raise RejectedError(
                f"{operator.name} may only look: to {right} takes the role {right.role}"
                f" (remediator.operators.{operator.name}.role)"
            )
        if right is Right.ORDER:
            return
        if not operator.person:
            raise RejectedError(
                f"{operator.name} is no person (remediator.operators.{operator.name}.person is false):"
                f" only a person may {right}"
            )
        if operator.role is not None and operator.role.rank >= right.role.rank:
            return
        wanted, key = self._wanted(right)
        if wanted & operator.groups or (operator.role is None and not wanted):
            return
        self._refuse(operator, right, wanted, key)

    def _refuse(self, operator: Operator, right: Right, wanted: frozenset[str], key: str) -> None:
        names = ", ".join(sorted(wanted))
        if not operator.own_token:
            raise RejectedError(
                f"the common token proves no person: to {right}, show a token of your own that"
                f" remediator.operators gives the group {names}"
            )
        if not wanted:
            raise RejectedError(
                f"{operator.name} may not {right}: that takes the role {right.role}"
                f" (remediator.operators.{operator.name}.role is {operator.role})"
            )
        raise RejectedError(
            f"{operator.name} may not {right}: that takes one of the groups {names} (remediator.{key})"
            f" or the role {right.role}"
        )

    def _wanted(self, right: Right) -> tuple[frozenset[str], str]:
        if right is Right.APPROVE:
            return self.approvers, "approvers"
        if right is Right.OVERRIDE:
            return self.admins, "admins"
        return frozenset(), ""


def digest(token: str) -> bytes:
    """Return the hash that stands for a token."""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()


def common(name: str) -> Operator:
    """Return who shows the common token, by the name that they give themselves."""
    return Operator(name, own_token=False)
