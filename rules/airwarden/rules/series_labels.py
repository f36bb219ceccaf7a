"""Which labels the result of a PromQL expression has, as far as the expression itself says.

A selector says nothing of it; an aggregation says it exactly. What operators write for one of our metrics
must say it, so that a label of theirs (`instance`, `pod`) never gets into a metric that has no such label.
"""

from __future__ import annotations

from typing import Any

from airwarden.core.errors import WrongInputError

#: Aggregations that pick series and leave their labels as they are.
_PICKING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
#: Functions whose labels do not follow from their argument's.
_UNTOLD = frozenset({"absent", "absent_over_time", "info", "sort_by_label", "sort_by_label_desc"})
_NO_LABELS = frozenset({"vector", "time", "scalar", "pi"})
_SETS = frozenset({"and", "unless"})


def parsed(expression: str, place: str) -> Any:
    """Return the tree of an expression, by Prometheus 3's grammar.

    Raises:
        WrongInputError: Prometheus 3 would refuse it.
    """
    import promql_parser

    try:
        return promql_parser.parse(expression)
    except ValueError as error:
        message = str(error).strip().splitlines()
        raise WrongInputError(
            f"Prometheus 3 would refuse it: {message[-1] if message else 'cannot be read'}",
            place=place,
            hint="try it in Prometheus' own page",
        ) from None


def result_labels(tree: Any) -> frozenset[str] | None:
    """Return the labels of an expression's result; None where it does not say them."""
    match type(tree).__name__:
        case "AggregateExpr":
            return _aggregate(tree)
        case "ParenExpr" | "UnaryExpr":
            return result_labels(tree.expr)
        case "Call":
            return _call(tree)
        case "BinaryExpr":
            return _binary(tree)
        case "NumberLiteral":
            return frozenset()
        case _:
            return None


def _aggregate(tree: Any) -> frozenset[str] | None:
    operation, modifier = str(tree.op), tree.modifier
    if operation in _PICKING:
        return result_labels(tree.expr)
    found: frozenset[str] | None = frozenset()
    if modifier is not None:
        named = frozenset(modifier.labels)
        if str(modifier.type).endswith("By"):
            found = named
        else:
            inner = result_labels(tree.expr)
            found = None if inner is None else inner - named
    if operation == "count_values" and found is not None:
        found |= {str(tree.param.val)}
    return found


def _call(tree: Any) -> frozenset[str] | None:
    name, arguments = tree.func.name, list(tree.args)
    if name in _NO_LABELS:
        return frozenset()
    if name in _UNTOLD or not arguments:
        return None
    if name in ("label_replace", "label_join"):
        inner = result_labels(arguments[0])
        return None if inner is None else inner | {str(arguments[1].val)}
    vectors = [one for one in arguments if not _scalar(one)]
    if not vectors:
        return frozenset()
    inner = result_labels(vectors[0])
    return inner - {"le"} if inner is not None and name.startswith("histogram_") else inner


def _binary(tree: Any) -> frozenset[str] | None:
    if _scalar(tree.lhs) or _scalar(tree.rhs):
        return result_labels(tree.rhs if _scalar(tree.lhs) else tree.lhs)
    left, right = result_labels(tree.lhs), result_labels(tree.rhs)
    operation = str(tree.op)
    if operation in _SETS:
        return left
    if operation == "or":
        return left if left == right else None
    modifier = tree.modifier
    if modifier is None or modifier.matching is None:
        return left if left == right else None  # others would not match at all
    named = frozenset(modifier.matching.labels)
    match str(modifier.card).rpartition(".")[2]:
        case "ManyToOne":
            return None if left is None else left | frozenset(modifier.group_labels or ())
        case "OneToMany":
            return None if right is None else right | frozenset(modifier.group_labels or ())
    if str(modifier.matching.type).endswith("Include"):
        return named
    return None if left is None else left - named


def _scalar(tree: Any) -> bool:
    kind = type(tree).__name__
    if kind in ("NumberLiteral", "StringLiteral"):
        return True
    if kind in ("ParenExpr", "UnaryExpr"):
        return _scalar(tree.expr)
    if kind == "Call":
        return tree.func.name in ("time", "scalar", "pi")
    return kind == "BinaryExpr" and _scalar(tree.lhs) and _scalar(tree.rhs)
