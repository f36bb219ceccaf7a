"""What an expression needs that is not there, told from its tree before anything is evaluated.

A side of `or` may be missing: the other one stands for it. So may what an `unless` leaves out: the alert
is then judged without that excuse, and the report says so. Everything else that is missing means that the
alert is not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as promql


@dataclass(frozen=True, slots=True)
class Needs:
    """What an expression is made of.

    Attributes:
        known: Metrics that are there.
        missing: Metrics that are not, and without which it cannot be judged.
        without: Metrics that are not, and that it can be judged without.
    """

    known: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        """Return what two parts need together."""
        return Needs(
            self.known | other.known, self.missing | other.missing, self.without | other.without
        )

    @property
    def excused(self) -> Needs:
        """The same, where it may be missing."""
        return Needs(self.known, frozenset(), self.without | self.missing)


def needs(node: Any, sources: Collection[str], recordings: Mapping[str, str]) -> Needs:
    """Return what an expression, or a part of one, needs.

    Args:
        node: A node of `promql_parser`.
        sources: The metrics that are there.
        recordings: Recorded name → expression.
    """
    if isinstance(node, promql.VectorSelector):
        name = str(node.name or "")
        if name in recordings:
            return needs(promql.parse(recordings[name]), sources, recordings)
        one = frozenset({name})
        return Needs(known=one) if name in sources else Needs(missing=one)
    if isinstance(node, promql.BinaryExpr):
        left = needs(node.lhs, sources, recordings)
        right = needs(node.rhs, sources, recordings)
        operator = str(node.op)
        if operator == "or" and left.missing and not right.missing and right.known:
            return left.excused | right
        if operator == "or" and right.missing and not left.missing and left.known:
            return left | right.excused
        if operator == "unless" and right.missing and not left.missing and left.known:
            return left | right.excused
        return left | right
    found = Needs()
    for name in ("expr", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            found |= needs(child, sources, recordings)
    for child in getattr(node, "args", ()):
        found |= needs(child, sources, recordings)
    return found
