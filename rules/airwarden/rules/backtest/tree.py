"""PromQL as a tree of our own: read once, each part with its text, so that equal parts are known at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import promql_parser as promql

from airwarden.rules.backtest.matching import Matching
from airwarden.rules.backtest.sources import Matcher


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    key: str
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text, as `label_replace` takes them."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by name and labels; `offset` in seconds, `at` whether it has the modifier @."""

    key: str
    name: str
    matchers: tuple[Matcher, ...]
    offset: float
    at: bool


@dataclass(frozen=True, slots=True)
class Range:
    """A selector over so many seconds."""

    key: str
    selector: Selector
    seconds: float


@dataclass(frozen=True, slots=True)
class Negated:
    """A unary minus."""

    key: str
    inner: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """An operation between two sides."""

    key: str
    operator: str
    left: Node
    right: Node
    matching: Matching


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregation by the labels `names`, or without them."""

    key: str
    operator: str
    names: tuple[str, ...]
    by: bool
    parameter: Node | None
    inner: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    key: str
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not replayed here, by the parser's name; and what it is made of."""

    key: str
    what: str
    inner: tuple[Node, ...]


Node: TypeAlias = Number | Text | Selector | Range | Negated | Binary | Aggregate | Call | Unknown


@lru_cache(maxsize=4096)
def parsed(expression: str) -> Node:
    """Return an expression's tree.

    Raises:
        ValueError: It is no PromQL.
    """
    return _node(promql.parse(expression))


def children(node: Node) -> tuple[Node, ...]:
    """Return the parts that a node is made of."""
    match node:
        case Range(selector=selector):
            return (selector,)
        case Negated(inner=inner):
            return (inner,)
        case Binary(left=left, right=right):
            return left, right
        case Aggregate(parameter=parameter, inner=inner):
            return (inner,) if parameter is None else (inner, parameter)
        case Call(arguments=inners) | Unknown(inner=inners):
            return inners
        case _:
            return ()


def shared(roots: Iterable[Node]) -> set[str]:
    """Return the keys of the parts that several others, or expressions, are made of."""
    seen: set[str] = set()
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node.key in seen:
            found.add(node.key)
            continue
        seen.add(node.key)
        waiting += children(node)
    return found


def _node(raw: Any) -> Node:
    key = str(raw)
    match raw:
        case promql.ParenExpr():
            return _node(raw.expr)
        case promql.NumberLiteral():
            return Number(key, float(raw.val))
        case promql.StringLiteral():
            return Text(key, str(raw.val))
        case promql.VectorSelector():
            return _selector(raw)
        case promql.MatrixSelector():
            return Range(key, _selector(raw.vector_selector), raw.range.total_seconds())
        case promql.UnaryExpr():
            return Negated(key, _node(raw.expr))
        case promql.BinaryExpr():
            sides = _node(raw.lhs), _node(raw.rhs)
            return Binary(key, str(raw.op), *sides, _matching(raw.modifier))
        case promql.AggregateExpr():
            names, by = _grouping(raw.modifier)
            parameter = None if raw.param is None else _node(raw.param)
            return Aggregate(key, str(raw.op), names, by, parameter, _node(raw.expr))
        case promql.Call():
            return Call(key, str(raw.func.name), tuple(map(_node, raw.args)))
        case _:
            inner = getattr(raw, "expr", None)
            return Unknown(key, type(raw).__name__, () if inner is None else (_node(inner),))


def _selector(raw: Any) -> Selector:
    offset = raw.offset.total_seconds() if raw.offset else 0.0
    ops = promql.MatchOp
    matchers = tuple(
        Matcher(
            matcher.name,
            matcher.value,
            equal=matcher.op in (ops.Equal, ops.Re),
            regular=matcher.op in (ops.Re, ops.NotRe),
        )
        for matcher in raw.matchers.matchers
    )
    return Selector(str(raw), str(raw.name or ""), matchers, offset, raw.at is not None)


def _grouping(modifier: Any) -> tuple[tuple[str, ...], bool]:
    if modifier is None:
        return (), True
    return tuple(modifier.labels), modifier.type == promql.AggModifierType.By


_SIDES = (
    (promql.VectorMatchCardinality.ManyToOne, "left"),
    (promql.VectorMatchCardinality.OneToMany, "right"),
)


def _matching(modifier: Any) -> Matching:
    if modifier is None:
        return Matching()
    found = modifier.matching
    return Matching(
        names=tuple(found.labels) if found is not None else (),
        on=found is not None and found.type == promql.LabelModifierType.Include,
        many=next((side for card, side in _SIDES if card == modifier.card), ""),
        include=tuple(modifier.group_labels or ()),
        as_bool=bool(modifier.return_bool),
    )
