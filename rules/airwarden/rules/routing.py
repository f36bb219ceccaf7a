"""Alertmanager's routing tree, read from its configuration and walked as Alertmanager walks it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airwarden.core.durations import parse_duration
from airwarden.core.errors import WrongInputError

_MATCHER = re.compile(
    r"""\s*(?P<label>[a-zA-Z_:][\w:]*)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|[^",{}]*?)\s*$""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
#: Groups by every label.
ALL = "..."


@dataclass(frozen=True, slots=True)
class Condition:
    """One matcher of a route or of an inhibition."""

    label: str
    operator: str
    value: str

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert meets it; a label that it lacks is empty."""
        own = labels.get(self.label, "")
        if self.operator in ("=~", "!~"):
            return bool(re.fullmatch(self.value, own)) is (self.operator == "=~")
        return (own == self.value) is (self.operator == "=")


@dataclass(frozen=True, slots=True)
class Node:
    """One route with what it inherits.

    Attributes:
        place: Where it stands, for people: `route`, `route.routes[2]`.
        waits: `group_wait`, `group_interval` and `repeat_interval`, seconds.
        muted, only: Names of the time intervals in which it is silent, and in which alone it is not.
    """

    place: str
    receiver: str
    conditions: tuple[Condition, ...]
    goes_on: bool
    group_by: tuple[str, ...]
    waits: tuple[float, float, float]
    muted: tuple[str, ...]
    only: tuple[str, ...]
    routes: tuple[Node, ...]

    def match(self, labels: Mapping[str, str]) -> list[Node]:
        """Return the routes that an alert takes."""
        if not all(condition.fits(labels) for condition in self.conditions):
            return []
        found: list[Node] = []
        for route in self.routes:
            theirs = route.match(labels)
            found += theirs
            if theirs and not route.goes_on:
                break
        return found or [self]

    def all(self) -> Iterator[Node]:
        """Iterate over this route and those below it."""
        yield self
        for route in self.routes:
            yield from route.all()

    def group(self, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the labels that an alert is grouped by."""
        names = sorted(labels) if ALL in self.group_by else sorted(self.group_by)
        return tuple((name, labels[name]) for name in names if name in labels)


def check_form(document: Mapping[str, Any]) -> None:
    """Refuse what has not the form of Alertmanager's configuration, as far as it is read here.

    Raises:
        WrongInputError: With the place of the first thing that is not as it should be.
    """
    for key in ("receivers", "inhibit_rules", "time_intervals", "mute_time_intervals"):
        for place, entry in _entries(document, key, key):
            _expect(entry, dict, place)
    for place, rule in _entries(document, "inhibit_rules", "inhibit_rules"):
        _check_node(rule, place, ("source_", "target_"), ("equal",))
    _check_route(document.get("route"), "route")
    if any(document["route"].get(key) for key in ("match", "match_re", "matchers")):
        raise WrongInputError("has matchers, and every alert must enter here", place="route")


def _check_route(route: Any, place: str) -> None:
    _check_node(route, place, ("",), ("group_by", "mute_time_intervals", "active_time_intervals"))
    for below, entry in _entries(route, "routes", f"{place}.routes"):
        _check_route(entry, below)


def _check_node(node: Any, place: str, sides: Sequence[str], lists: Sequence[str]) -> None:
    _expect(node, dict, place)
    for key in (*lists, *(f"{side}matchers" for side in sides)):
        _entries(node, key, f"{place}.{key}")
    for key in (f"{side}{kind}" for side in sides for kind in ("match", "match_re")):
        _expect(node.get(key) or {}, dict, f"{place}.{key}")


def _entries(node: Mapping[str, Any], key: str, place: str) -> list[tuple[str, Any]]:
    """Return what a list holds, which may be missing or left empty, with the place of each entry."""
    found = node.get(key) or []
    _expect(found, list, place)
    return [(f"{place}[{number}]", entry) for number, entry in enumerate(found)]


def _expect(found: Any, kind: type[Any], place: str) -> None:
    if not isinstance(found, kind):
        wanted = "a list" if kind is list else "keys with values"
        raise WrongInputError(f"expected {wanted}, not {str(found)[:60]!r}", place=place)


def parse_conditions(node: Mapping[str, Any], kind: str, place: str) -> tuple[Condition, ...]:
    """Return the conditions of a route (`kind` empty) or of one side of an inhibition.

    Raises:
        WrongInputError: A matcher that is none.
    """
    prefix = f"{kind}_" if kind else ""
    found = [
        Condition(str(label), operator, str(value))
        for key, operator in ((f"{prefix}match", "="), (f"{prefix}match_re", "=~"))
        for label, value in (node.get(key) or {}).items()
    ]
    for text in node.get(f"{prefix}matchers") or ():
        for part in split_matchers(str(text)):
            matched = _MATCHER.match(part)
            if matched is None:
                raise WrongInputError(f"{part!r} is no matcher", place=f"{place}.{prefix}matchers")
            value = matched["value"]
            if value.startswith('"'):
                value = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[0]), value[1:-1])
            found.append(Condition(matched["label"], matched["operator"], value))
    for condition in found:
        _check_pattern(condition, place)
    return tuple(found)


def _check_pattern(condition: Condition, place: str) -> None:
    """Refuse a regular expression that Alertmanager may read and this program may not, or otherwise."""
    if condition.operator not in ("=~", "!~"):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", FutureWarning
            )  # a class of RE2's is a set of letters here
            re.compile(condition.value)
    except (re.error, FutureWarning) as error:
        raise WrongInputError(
            f"cannot follow the regular expression {condition.value!r}: {error}",
            place=place,
            hint="write flags at its beginning, and classes as [A-Za-z] or \\w",
        ) from None


def split_matchers(text: str) -> list[str]:
    """Return the matchers of one text: `{a="b", c="d"}` holds two."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    parts, quoted, current, escaped = [], False, "", False
    for char in inner:
        if char == "," and not quoted:
            parts.append(current)
            current = ""
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
        current += char
    parts.append(current)
    return [part for part in parts if part.strip()]


def parse_route(node: Mapping[str, Any], parent: Node | None = None, place: str = "route") -> Node:
    """Return a route of a configuration, with those below it.

    Raises:
        WrongInputError: It is not a route that Alertmanager would take.
    """
    base = parent or Node(place, "", (), False, (), (30.0, 300.0, 14_400.0), (), (), ())
    group_by = tuple(map(str, node.get("group_by") or ())) or base.group_by
    waits = tuple(
        _seconds(node[key], f"{place}.{key}") if node.get(key) is not None else inherited
        for key, inherited in zip(
            ("group_wait", "group_interval", "repeat_interval"), base.waits, strict=True
        )
    )
    receiver = str(node.get("receiver") or base.receiver)
    if not receiver:
        raise WrongInputError("the root route names no receiver", place=place)
    own = Node(
        place=place,
        receiver=receiver,
        conditions=parse_conditions(node, "", place),
        goes_on=bool(node.get("continue", False)),
        group_by=group_by,
        waits=(waits[0], waits[1], waits[2]),
        muted=tuple(node.get("mute_time_intervals") or ()),
        only=tuple(node.get("active_time_intervals") or ()),
        routes=(),
    )
    below: Sequence[Mapping[str, Any]] = node.get("routes") or ()
    routes = tuple(
        parse_route(route, own, f"{place}.routes[{number}]") for number, route in enumerate(below)
    )
    return Node(
        own.place, own.receiver, own.conditions, own.goes_on, own.group_by, own.waits, own.muted,
        own.only, routes,
    )  # fmt: skip


def _seconds(text: object, place: str) -> float:
    try:
        return parse_duration(str(text)).total_seconds()
    except ValueError as error:
        raise WrongInputError(str(error), place=place) from None
