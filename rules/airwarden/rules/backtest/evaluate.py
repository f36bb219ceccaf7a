"""PromQL over the past: the tree of an expression, walked once for a stretch of evaluations.

What is supported is what alerting rules are made of. Anything else raises `NotJudgedError`, which the report
names; it is never guessed. Values follow Prometheus 3: ranges are open on the left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from airwarden.rules.backtest import functions, windows
from airwarden.rules.backtest.aggregation import aggregate
from airwarden.rules.backtest.matching import (
    COMPARISONS,
    SETS,
    Matching,
    binary,
    of_numbers,
    set_operation,
    with_number,
)
from airwarden.rules.backtest.needs import Recorded, Recordings, needs
from airwarden.rules.backtest.plans import Plans, shrunk
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.tree import (
    Aggregate,
    Binary,
    Call,
    Negated,
    Node,
    Number,
    Range,
    Selector,
    Text,
    parsed,
)
from airwarden.rules.backtest.vectors import (
    Floats,
    Ints,
    Labels,
    NotJudgedError,
    Span,
    Vector,
    stacked,
    steady,
    without,
)
from airwarden.rules.backtest.windows import OVER_TIME, Window

Value: TypeAlias = Vector | Floats
#: Functions whose result changes when series are summed before instead of after: never here.
_SUMMABLE = ("rate", "increase")
_NO_LABELS: tuple[Labels, ...] = ({},)


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions over one set of sources.

    Attributes:
        sources: Metric's name → its series.
        recordings: The recording rules.
        start: Unix time of evaluation 0.
        step: Seconds between evaluations.
        block: Evaluations that are worked on at once, so that memory stays small.
        first: The evaluation before which nothing was recorded: windows that reach further hold less, as those
            of a Prometheus do that has not been there for so long.
        kept: Parts of expressions whose values are kept within a block, because others ask for them too; all if
            None.
    """

    sources: Mapping[str, Source]
    recordings: Recordings
    start: float
    step: float
    block: int = 2880
    first: int = -(2**31)
    kept: Collection[str] | None = None
    _known: dict[tuple[str, int, int], Value] = field(default_factory=dict)
    _recorded: dict[tuple[str, int], Vector] = field(default_factory=dict)
    _now: int = 0
    _reach: dict[str, int] = field(default_factory=dict)
    _unknown: dict[str, bool] = field(default_factory=dict)
    _chosen: Plans[tuple[Ints, tuple[Labels, ...]] | None] = field(default_factory=Plans)
    _relabelled: Plans[tuple[Labels, ...]] = field(default_factory=Plans)

    def vector(self, expression: str, span: Span) -> Vector:
        """Return an expression's series over a span.

        Raises:
            NotJudgedError: It needs what is not here, or what is not supported.
        """
        self._now = span.first
        return self._series(expression, span)

    def forget(self, before: int) -> None:
        """Drop what no range reaches back to from this evaluation on."""
        self._known.clear()
        for name, block in list(self._recorded):
            if (block + 1) * self.block <= before - self._reach.get(name, 0):
                del self._recorded[name, block]

    def _series(self, expression: str, span: Span) -> Vector:
        found = self._evaluate(parsed(expression), span)
        if not isinstance(found, Vector):
            return Vector.full(_NO_LABELS, np.broadcast_to(found, (1, span.count)))
        return found

    def _evaluate(self, node: Node, span: Span) -> Value:
        """Evaluate a node once for each span: alerts share much of their expressions."""
        if isinstance(node, Number):
            return steady(node.value, (span.count,))
        key = (node.key, span.first, span.count)
        found = self._known.get(key)
        if found is None:
            found = self._fresh(node, span)
            if self.kept is None or node.key in self.kept:
                self._known[key] = found
        return found

    def _fresh(self, node: Node, span: Span) -> Value:
        match node:
            case Negated(inner=inner):
                value = self._evaluate(inner, span)
                if isinstance(value, Vector):
                    return Vector(value.labels, -value.values, value.present)
                return -value
            case Selector():
                return self._samples(node, self._shifted(node, span), None)
            case Aggregate():
                return self._aggregated(node, span)
            case Binary():
                return self._binary(node, span)
            case Call():
                return self._call(node, span)
            case _:
                raise NotJudgedError(f"what PromQL calls {getattr(node, 'what', node.key)}")

    def _vector(self, node: Node, span: Span) -> Vector:
        value = self._evaluate(node, span)
        if not isinstance(value, Vector):
            raise NotJudgedError("a number where series are expected")
        return value

    def _number(self, node: Node, span: Span) -> Floats:
        value = self._evaluate(node, span)
        if isinstance(value, Vector):
            raise NotJudgedError("series where a number is expected")
        return value

    def _shifted(self, selector: Selector, span: Span) -> Span:
        if selector.at:
            raise NotJudgedError("the modifier @")
        steps = selector.offset / self.step
        if steps != int(steps):
            raise NotJudgedError(f"an offset that is no multiple of {self.step:g}s")
        return Span(span.first - int(steps), span.count)

    def _samples(self, selector: Selector, span: Span, by: Sequence[str] | None) -> Vector:
        name = selector.name
        if name in self.recordings and name not in self.sources:
            return self._recording(selector, span)
        if name not in self.sources:
            raise NotJudgedError(name)
        return self.sources[name].vector(selector.matchers, span, by)

    def _recording(self, selector: Selector, span: Span) -> Vector:
        """Return recorded series, from blocks that are evaluated once each."""
        name = selector.name
        self._reach[name] = max(self._reach.get(name, 0), self._now - span.first)
        begin = min(max(span.first, self.first), span.end)
        parts = [Vector.empty(begin - span.first)] if begin > span.first else []
        for block in range(begin // self.block, (span.end - 1) // self.block + 1):
            whole = Span(block * self.block, self.block)
            if (name, block) not in self._recorded:
                self._recorded[name, block] = self._record(self.recordings[name], whole)
            found = self._selected(self._recorded[name, block], selector)
            low, high = max(begin, whole.first), min(span.end, whole.end)
            cut = slice(low - whole.first, high - whole.first)
            parts.append(Vector(found.labels, found.values[:, cut], found.present[:, cut]))
        return stacked(parts)

    def _selected(self, vector: Vector, selector: Selector) -> Vector:
        """Return the rows that a selector selects."""

        def chosen() -> tuple[Ints, tuple[Labels, ...]] | None:
            rows = [
                row
                for row, own in enumerate(vector.labels)
                if all(matcher.fits(own) for matcher in selector.matchers)
            ]
            if len(rows) == len(vector.labels):
                return None
            return np.array(rows, dtype=np.int64), tuple(vector.labels[row] for row in rows)

        found = self._chosen.of((vector.labels,), selector.matchers, chosen)
        if found is None:
            return vector
        rows, labels = found
        return Vector(labels, vector.values[rows], vector.present[rows])

    def _record(self, rules: Sequence[Recorded], span: Span) -> Vector:
        found = Vector.empty(span.count)
        for rule in rules:
            if self._is_unknown(parsed(rule.expr)):
                continue
            fresh = self._series(rule.expr, span)
            own = Vector(self._named(fresh, rule.labels), fresh.values, fresh.present)
            found = set_operation("or", found, own, Matching())
        return found

    def _named(self, vector: Vector, added: tuple[tuple[str, str], ...]) -> tuple[Labels, ...]:
        """Return the labels of a recorded vector: its own, and those that the rule sets."""
        if not added:
            return vector.labels
        return self._relabelled.of(
            (vector.labels,),
            added,
            lambda: vector.relabelled(lambda own: {**own, **dict(added)}).labels,
        )

    def _aggregated(self, node: Aggregate, span: Span) -> Vector:
        if node.operator == "sum" and node.by:
            summed = self._summed_events(node.inner, span, node.names)
            if summed is not None:
                return summed
        share = self._number(node.parameter, span) if node.parameter is not None else None
        vector = self._vector(node.inner, span)
        return aggregate(node.operator, vector, node.names, by=node.by, share=share)

    def _summed_events(self, node: Node, span: Span, names: Sequence[str]) -> Vector | None:
        """Sum series of events before their rate is taken: the same, where none is near its birth."""
        match node:
            case Selector():
                if self._is_events(node):
                    return self._samples(node, self._shifted(node, span), names)
            case Call(name=name, arguments=(Range(selector=selector) as over,)):
                if name in _SUMMABLE and self._is_events(selector):
                    return self._over_time(name, over, span, names)
        return None

    def _is_events(self, selector: Selector) -> bool:
        return selector.name in self.sources and self.sources[selector.name].born_early

    def _over_time(
        self,
        name: str,
        node: Node,
        span: Span,
        by: Sequence[str] | None,
        share: float = math.nan,
    ) -> Vector:
        if not isinstance(node, Range):
            raise NotJudgedError("a subquery")
        selector, seconds = node.selector, node.seconds
        shifted = self._shifted(selector, span)
        source = self.sources.get(selector.name)
        phase = source.phase if source else 0.0
        if name in ("max_over_time", "last_over_time") and source and source.lasting:
            # However far back the range reaches, it is the value of now: worked out once for all of them.
            return self._vector(selector, span)
        # Samples at -phase, -phase - step, … down to, but without, the range's begin.
        samples = max(1, math.ceil((seconds - phase) / self.step - 1e-9))
        wide = Span(shifted.first - samples + 1, shifted.count + samples - 1)
        found = self._samples(selector, wide, by)
        window = Window(
            found.values,
            found.present,
            samples,
            self.step,
            to_start=seconds - phase - (samples - 1) * self.step,
            to_end=phase,
            born_early=bool(source and source.born_early and phase),
        )
        if name == "quantile_over_time":
            values, present = windows.quantile_over_time(window, share)
        elif name in OVER_TIME:
            values, present = OVER_TIME[name](window)
        else:
            raise NotJudgedError(f"the function {name}")
        return Vector(found.labels, values, present)

    def _binary(self, node: Binary, span: Span) -> Value:
        operator, matching = node.operator, node.matching
        if operator in SETS:
            left = self._side(node.left, span)
            if operator != "or" and not left.present.any():
                # Nothing to keep or to leave out: whatever the other side is.
                return Vector.empty(span.count)
            return set_operation(operator, left, self._side(node.right, span), matching)
        first, second = self._evaluate(node.left, span), self._evaluate(node.right, span)
        as_bool = matching.as_bool
        if isinstance(first, Vector):
            if isinstance(second, Vector):
                found = binary(operator, first, second, matching)
            else:
                found = with_number(operator, first, second, number_first=False, as_bool=as_bool)
        elif isinstance(second, Vector):
            found = with_number(operator, second, first, number_first=True, as_bool=as_bool)
        else:
            return of_numbers(operator, first, second)
        # A condition rarely holds: of what it leaves out nothing is worked out any further.
        return shrunk(found) if operator in COMPARISONS and not as_bool else found

    def _side(self, node: Node, span: Span) -> Vector:
        """Return a side of a set operation; one that nothing is known of is empty there.

        Whether that is right was decided before, by `needs`.
        """
        return Vector.empty(span.count) if self._is_unknown(node) else self._vector(node, span)

    def _is_unknown(self, node: Node) -> bool:
        if node.key not in self._unknown:
            missing = needs(node, self.sources, self.recordings).missing
            self._unknown[node.key] = bool(missing)
        return self._unknown[node.key]

    def _call(self, node: Call, span: Span) -> Value:
        name, args = node.name, node.arguments
        if name in OVER_TIME:
            return self._over_time(name, args[0], span, None)
        if name == "quantile_over_time":
            return self._over_time(name, args[1], span, None, _constant(args[0]))
        if name == "time":
            return self.start + self.step * np.arange(span.first, span.end, dtype=np.float64)
        if name == "pi":
            return steady(math.pi, (span.count,))
        if name == "vector":
            number = self._number(args[0], span)
            return Vector.full(_NO_LABELS, np.broadcast_to(number, (1, span.count)))
        if name == "absent":
            return functions.absent(self._vector(args[0], span), _named_by(args[0]))
        if name == "scalar":
            return functions.scalar(self._vector(args[0], span))
        return self._of_vector(name, args, span)

    def _of_vector(self, name: str, args: Sequence[Node], span: Span) -> Vector:
        if name in functions.PLAIN:
            return functions.plain(name, self._vector(args[0], span))
        if name == "histogram_quantile":
            share = self._number(args[0], span)
            return functions.histogram_quantile(share, self._vector(args[1], span))
        vector = self._vector(args[0], span) if args else Vector.empty(span.count)
        if name in ("clamp", "clamp_min", "clamp_max"):
            limits = [self._number(limit, span) for limit in args[1:]]
            lowest = None if name == "clamp_max" else limits[0]
            return functions.clamp(vector, lowest, None if name == "clamp_min" else limits[-1])
        if name == "round":
            nearest = self._number(args[1], span) if len(args) > 1 else np.ones(span.count)
            return functions.rounded(vector, nearest)
        if name == "label_replace":
            texts = [argument.value for argument in args[1:] if isinstance(argument, Text)]
            return functions.label_replace(vector, *texts)
        if name in ("sort", "sort_desc"):
            return vector
        raise NotJudgedError(f"the function {name}")


def _constant(node: Node) -> float:
    if not isinstance(node, Number):
        raise NotJudgedError("a share that changes")
    return node.value


def _named_by(node: Node) -> dict[str, str]:
    """Return the labels that `absent` gives its series: those a selector asks to be equal."""
    if not isinstance(node, Selector):
        return {}
    equal = {m.label: m.value for m in node.matchers if m.equal and not m.regular}
    return without(equal, ["__name__"])
