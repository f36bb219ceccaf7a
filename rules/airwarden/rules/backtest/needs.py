"""What an expression needs that is not there, told from its tree before anything is evaluated.

A side of `or` may be missing: the other one stands for it. So may what an `unless` leaves out: the alert
is then judged without that excuse, and the report says so. Everything else that is missing means that the
alert is not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airwarden.rules.backtest.tree import Binary, Node, Selector, children, parsed


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording rule: its expression, and the labels that it sets."""

    expr: str
    labels: tuple[tuple[str, str], ...] = ()


#: Recorded name → the rules that record it.
Recordings: TypeAlias = Mapping[str, tuple[Recorded, ...]]


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


def needs(node: Node, sources: Collection[str], recordings: Recordings) -> Needs:
    """Return what an expression, or a part of one, needs.

    Args:
        node: The expression: see `tree.parsed`.
        sources: The metrics that are there.
        recordings: The recording rules.
    """
    if isinstance(node, Selector):
        one = frozenset({node.name})
        # What history tells goes before what the site's own series would be mapped to.
        if node.name in sources:
            return Needs(known=one)
        if node.name not in recordings:
            return Needs(missing=one)
        return _of_recorded(node, sources, recordings)
    if isinstance(node, Binary):
        left = needs(node.left, sources, recordings)
        right = needs(node.right, sources, recordings)
        if node.operator == "or" and left.missing and not right.missing and right.known:
            return left.excused | right
        if node.operator == "or" and right.missing and not left.missing and left.known:
            return left | right.excused
        if node.operator == "unless" and right.missing and not left.missing and left.known:
            return left | right.excused
        return left | right
    found = Needs()
    for child in children(node):
        found |= needs(child, sources, recordings)
    return found


def _of_recorded(node: Selector, sources: Collection[str], recordings: Recordings) -> Needs:
    """Return what those rules need that may record what is selected."""
    asked = [
        needs(parsed(rule.expr), sources, recordings)
        for rule in recordings[node.name]
        if all(m.fits(dict(rule.labels)) for m in node.matchers if m.label in dict(rule.labels))
    ]
    some = any(not one.missing for one in asked)
    found = Needs()
    for one in asked:
        found |= one.excused if some else one
    return found
