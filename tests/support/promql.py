"""What labels the result of an expression has, where nothing bounds the number of its series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import promql_parser as p

Labels = Callable[[p.VectorSelector], frozenset[str]]

#: What keeps a number of series that is written in the query.
_LIMITING = ("topk", "bottomk", "limitk")


def retained(node: Any, labels_of: Labels) -> frozenset[str]:
    """Return the labels that tell the result's series apart; none where their number is bounded.

    Args:
        node: A parsed expression.
        labels_of: Gives the labels of a selector's series.
    """
    if isinstance(node, p.VectorSelector):
        pinned = {m.name for m in node.matchers.matchers if m.op == p.MatchOp.Equal}
        return labels_of(node) - pinned
    if isinstance(node, p.MatrixSelector):
        return retained(node.vector_selector, labels_of)
    if isinstance(node, p.ParenExpr | p.UnaryExpr | p.SubqueryExpr):
        return retained(node.expr, labels_of)
    if isinstance(node, p.Call):
        if node.func.name == "scalar":
            return frozenset()
        kept = (retained(argument, labels_of) for argument in node.args)
        found = frozenset[str]().union(*kept)
        return found - {"le"} if node.func.name == "histogram_quantile" else found
    if isinstance(node, p.AggregateExpr):
        return _aggregated(node, labels_of)
    if isinstance(node, p.BinaryExpr):
        return _combined(node, labels_of)
    return frozenset()


def _aggregated(node: Any, labels_of: Labels) -> frozenset[str]:
    if str(node.op) in _LIMITING:
        return frozenset()
    inner = retained(node.expr, labels_of)
    if node.modifier is None:
        return frozenset()
    named = frozenset(node.modifier.labels)
    if node.modifier.type == p.AggModifierType.By:
        return inner & named
    return inner - named


def _combined(node: Any, labels_of: Labels) -> frozenset[str]:
    left, right = (retained(side, labels_of) for side in (node.lhs, node.rhs))
    operator = str(node.op)
    if operator == "or":
        return left | right
    if operator == "unless":
        return left
    if operator == "and":
        # As many as the right side has, where the two are matched by what tells the left apart.
        return frozenset() if not right or not left else left & right
    return left or right
