"""Overrides for a part of the platform: which one wins where, as disjoint sets of series.

An override names labels and values (`team: growth`). The most specific one wins, setting by setting:
the one that names more labels, and of two that name equally many, the one whose label says more (a
DAG more than its team). What is won becomes a rule of its own, and every series belongs to one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airwarden.core.errors import WrongInputError
from airwarden.rules.config import AlertOverride, ScopedOverride

#: Labels that an override may name, the one that says most first.
SPECIFICITY = (
    "dag_id", "asset", "dataset", "model", "report_group", "product", "queue", "pool", "operator", "kind", "resource", "application", "hostname", "dependency",
    "bundle", "slo", "team", "type", "tier", "cluster",
)  # fmt: skip
_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label with the values that it must have, or must not have."""

    label: str
    values: tuple[str, ...]
    positive: bool = True

    def __str__(self) -> str:
        """Return it as PromQL writes it."""
        if len(self.values) == 1:
            return f"{self.label}{'=' if self.positive else '!='}{_quoted(self.values[0])}"
        pattern = "|".join(map(_literal, self.values))
        return f"{self.label}{'=~' if self.positive else '!~'}{_quoted(pattern)}"

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series with these labels passes."""
        return (labels.get(self.label, "") in self.values) is self.positive


Scope = tuple[Matcher, ...]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _literal(value: str) -> str:
    """Return a regular expression (RE2) that matches exactly this value."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in value)


def partition(base: AlertOverride) -> tuple[tuple[Scope, AlertOverride], ...]:
    """Return disjoint scopes that together hold every series, each with what applies in it.

    The last one is what no override names.
    """
    ordered = sorted(base.scoped, key=_rank)
    return tuple((tuple(scope), effect) for scope, effect in _split(base, ordered, SPECIFICITY))


def applied(base: AlertOverride, labels: Mapping[str, str]) -> tuple[ScopedOverride, ...]:
    """Return the overrides that hold for a series with these labels, the most specific first."""
    return tuple(
        scoped
        for scoped in sorted(base.scoped, key=_rank)
        if all(labels.get(label) in values for label, values in scoped.where.items())
    )


def merged(base: AlertOverride, winners: Iterable[ScopedOverride]) -> AlertOverride:
    """Return the base with every setting from the first of `winners` that gives it."""
    changes = [*(scoped.change for scoped in winners), base]

    def first(name: str) -> object:
        return next((v for c in changes if (v := getattr(c, name)) is not None), None)

    names = ("threshold", "hold", "severity", "enabled", "over", "at_least")
    return AlertOverride(**{name: first(name) for name in names})  # type: ignore[arg-type]


def contradiction(overrides: Sequence[ScopedOverride]) -> tuple[int, int] | None:
    """Return two overrides that name the same series and want different things of them."""
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for index, scoped in enumerate(overrides):
        for point in points(scoped):
            other = seen.setdefault(point, index)
            if other != index and _disagree(overrides[other].change, scoped.change):
                return other, index
    return None


def check_where(scoped: ScopedOverride, allowed: Sequence[str], place: str) -> None:
    """Refuse an override that names labels which its alert is not split by.

    Raises:
        WrongInputError: It names none, or one that the alert does not have.
    """
    if not scoped.where:
        raise WrongInputError(
            "names nothing", place=f"{place}.where", hint="for example {team: growth}"
        )
    for label in scoped.where:
        if label not in allowed:
            names = ", ".join("dag" if name == "dag_id" else name for name in allowed)
            raise WrongInputError(
                f"this alert does not tell apart by {label}",
                place=f"{place}.where",
                hint=f"it can be changed by {names}",
            )


def _rank(scoped: ScopedOverride) -> tuple[int, list[int]]:
    return -len(scoped.where), sorted(SPECIFICITY.index(label) for label in scoped.where)


def points(scoped: ScopedOverride) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield every combination of labels and values that an override names."""
    points: list[tuple[tuple[str, str], ...]] = [()]
    for label in sorted(scoped.where):
        points = [(*point, (label, value)) for point in points for value in scoped.where[label]]
    yield from points


def _disagree(one: AlertOverride, other: AlertOverride) -> bool:
    names = ("threshold", "hold", "severity", "enabled", "over", "at_least")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def _split(
    base: AlertOverride, overrides: Sequence[ScopedOverride], labels: Sequence[str]
) -> list[tuple[list[Matcher], AlertOverride]]:
    if not labels or not overrides:
        return [([], merged(base, overrides))]
    label, rest = labels[0], labels[1:]
    by_value: dict[str, list[int]] = {}
    free: list[int] = []
    for index, scoped in enumerate(overrides):
        if label not in scoped.where:
            free.append(index)
        for value in scoped.where.get(label, ()):
            by_value.setdefault(value, []).append(index)
    others = _split(base, [overrides[index] for index in free], rest)
    if not by_value:
        return others
    # Values for which the same holds share one rule.
    alike: dict[str, tuple[list[str], list[tuple[list[Matcher], AlertOverride]]]] = {}
    known: dict[tuple[int, ...], list[tuple[list[Matcher], AlertOverride]]] = {}
    for value, named in by_value.items():
        key = tuple(sorted([*named, *free]))
        if key not in known:
            known[key] = _split(base, [overrides[index] for index in key], rest)
        below = known[key]
        alike.setdefault(repr(below), ([], below))[0].append(value)
    found = [
        ([Matcher(label, tuple(sorted(values))), *scope], effect)
        for values, below in alike.values()
        for scope, effect in below
    ]
    beside = Matcher(label, tuple(sorted(by_value)), positive=False)
    return [*found, *(([beside, *scope], effect) for scope, effect in others)]
