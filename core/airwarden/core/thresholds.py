"""Thresholds in the operator's words: `>5% for 10 minutes`, `>SLA + 50% for 1 hour`.

Grammar, spaces and case do not matter::

    threshold = [quantile] [operator] value ["utilization"] ["for" duration] | "for" duration
    quantile  = "p" number | "median"
    operator  = ">" | ">=" | "<" | "<=" | "above" | "over" | "below" | "under"
              | "more than" | "less than" | "at least" | "at most"
    value     = number "%" | duration | number ["k"] [noun] | "SLA" [("+" | "-") number "%"]
              | number ("x" | "times") "usual" | number "%" "of" "usual"
    duration  = (number unit)+          units: ms, s, m, h, d, w and their names
    noun      = "tasks", "runs", "messages", … : what is counted; it changes nothing

Callers are the settings (reading) and the rules (rendering). Pure: no I/O.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError

_LONGEST = 200
_MS = Decimal(1000)
_YEAR_MS = 365 * 86_400_000

_NOUNS = (
    "tasks", "runs", "messages", "dags", "files", "connections", "sessions", "workers", "locks",
    "failures", "events", "retries", "triggers", "slots",
)  # fmt: skip
_OPERATOR_WORDS = {
    ("above",): ">", ("over",): ">", ("more", "than"): ">", ("at", "least"): ">=",
    ("below",): "<", ("under",): "<", ("less", "than"): "<", ("at", "most"): "<=",
}  # fmt: skip

#: Every spelling of a unit that is understood, in milliseconds.
_UNIT_MS = {
    spelling: Decimal(factor)
    for factor, spellings in (
        (1, "ms msec millisecond milliseconds"),
        (1_000, "s sec secs second seconds"),
        (60_000, "m min mins minute minutes"),
        (3_600_000, "h hr hrs hour hours"),
        (86_400_000, "d day days"),
        (604_800_000, "w week weeks"),
    )
    for spelling in spellings.split()
}
_SIGN_HINTS = {"≥": "write >=", "=": "write >=", "≤": "write <=", "×": "write x"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z]+)|(?P<sign>>=|<=|[><%+\-]))"
)


class Operator(StrEnum):
    """On which side of the limit the trouble lies."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


class Unit(StrEnum):
    """What the limit measures; values are kept in Prometheus' base units."""

    #: A share from 0 to 1, written in percent.
    RATIO = "ratio"
    SECONDS = "seconds"
    #: A plain number.
    COUNT = "count"
    #: How far beyond the target agreed for the thing itself, as a share of that target.
    SLA = "sla"
    #: How many times what is usual at this hour of the week.
    USUAL = "usual"
    #: No limit, only how long: `for 30s`, for alerts on something being down.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit, and for how long it must be crossed.

    Attributes:
        operator: None where the words name no side (`85% utilization for 5 minutes`): the setting
            that holds the threshold says which side is meant.
        value: In base units: a share (0.05 for 5%), seconds, a count; for `Unit.SLA` the share of
            the target added to it (0.5 for `SLA + 50%`); for `Unit.USUAL` the factor (3 for
            `3x usual`); 0 for `Unit.NONE`.
        unit: See `Unit`.
        window: How long the limit must be crossed without a break; None where nothing is said.
        utilization: Whether the word `utilization` was written; it changes nothing.
        quantile: Of which quantile of a distribution the limit speaks (0.99 for `p99`); None where
            the words name none.
    """

    operator: Operator | None
    value: Decimal
    unit: Unit
    window: timedelta | None = None
    utilization: bool = False
    quantile: Decimal | None = None

    @property
    def relative_to_sla(self) -> bool:
        """Whether the limit is relative to the target agreed for each thing."""
        return self.unit is Unit.SLA

    @property
    def limit(self) -> str:
        """The limit as a person reads it, without side and window: `5%`, `5m`, `SLA + 50%`."""
        percent = _plain(abs(self.value).scaleb(2)) + "%"
        if self.unit is Unit.SLA:
            return f"SLA {'-' if self.value < 0 else '+'} {percent}" if self.value else "SLA"
        if self.unit is Unit.RATIO:
            return percent
        if self.unit is Unit.USUAL:
            return f"{_plain(self.value)}x usual"
        if self.unit is Unit.SECONDS:
            return _format_ms(self.value * _MS)
        return _plain(self.value) if self.unit is Unit.COUNT else ""

    def __str__(self) -> str:
        """Return the normal form; parsing it gives an equal threshold."""
        parts = [f"p{_plain(self.quantile.scaleb(2))}"] if self.quantile is not None else []
        parts += [self.operator.value] if self.operator else []
        if self.limit:
            parts.append(self.limit)
        if self.utilization:
            parts.append("utilization")
        if self.window is not None:
            parts.append(f"for {format_duration(self.window)}")
        return " ".join(parts)

    @property
    def number(self) -> str:
        """The value in base units as PromQL writes it; for `Unit.SLA` the factor on the target."""
        return _plain(self.value + 1 if self.unit is Unit.SLA else self.value)


def parse_threshold(text: object, *, place: str = "") -> Threshold:
    """Read a threshold in the operator's words.

    Args:
        text: The words; anything but a string is refused, as YAML gives numbers without quotes.
        place: The setting's key, for the message.

    Raises:
        WrongInputError: With the column, what was expected there, and a hint where one helps.
    """
    return _Reader(text, place).threshold()


def _format_ms(milliseconds: Decimal) -> str:
    """Write milliseconds in units from days down; a fraction stays on the last unit."""
    rest, out = milliseconds, ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, rest = divmod(rest, size)
        if count:
            out += f"{_plain(count)}{unit}"
    return out + f"{_plain(rest)}ms" if rest else out or "0s"


def _plain(value: Decimal) -> str:
    """Write a decimal without exponent and trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


class _Reader:
    """A reader of one text: each method takes what it is named after, or refuses with a column."""

    def __init__(self, text: object, place: str) -> None:
        self._text = text if isinstance(text, str) else repr(text)
        self._place = place
        self._at = 0
        if not isinstance(text, str):
            self._refuse("expected words such as '> 5% for 10m'", 1, "put the value in quotes")
        if len(text) > _LONGEST:
            self._refuse(f"longer than {_LONGEST} characters", _LONGEST + 1)
        self._tokens = self._split()

    def threshold(self) -> Threshold:
        following = self._peek()
        if following and following.text.lower() == "for":
            self._at += 1
            held = Threshold(None, Decimal(0), Unit.NONE, self._window())
            self._end("expected the end")
            return held
        quantile = self._quantile()
        operator = self._operator()
        column = self._column()
        value, unit = self._value()
        if quantile is not None and unit in (Unit.SLA, Unit.USUAL):
            self._refuse("a quantile needs a plain limit", column, "for example p99 > 10m")
        utilization = self._take_word("utilization", "utilisation")
        if utilization and unit is not Unit.RATIO:
            self._refuse("utilization is a share: expected a percentage", 1, "for example 85%")
        window: timedelta | None = None
        if self._take_word("for"):
            window = self._window()
        self._end("expected 'for' and a duration, or the end")
        return Threshold(operator, value, unit, window, utilization, quantile)

    def _end(self, expected: str) -> None:
        if self._peek() is not None:
            self._unexpected(expected)

    def _split(self) -> list[_Token]:
        tokens, position = [], 0
        end = len(self._text.rstrip())
        while position < end:
            found = _TOKEN.match(self._text, position)
            if not found or not found.lastgroup:
                while self._text[position].isspace():
                    position += 1
                char = self._text[position]
                hint = _SIGN_HINTS.get(char, "")
                self._refuse(f"unexpected {char!r}", position + 1, hint)
            kind = found.lastgroup
            tokens.append(_Token(kind, found[kind], found.start(kind) + 1))
            position = found.end()
        return tokens

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _column(self) -> int:
        token = self._peek()
        return token.column if token else len(self._text) + 1

    def _take(self, kind: str, *texts: str) -> _Token | None:
        token = self._peek()
        if token and token.kind == kind and (not texts or token.text.lower() in texts):
            self._at += 1
            return token
        return None

    def _take_word(self, *words: str) -> bool:
        return self._take("word", *words) is not None

    def _operator(self) -> Operator | None:
        token = self._take("sign", *Operator)
        if token:
            return Operator(token.text)
        for words, sign in _OPERATOR_WORDS.items():
            following = self._tokens[self._at : self._at + len(words)]
            if tuple(token.text.lower() for token in following) == words:
                self._at += len(words)
                return Operator(sign)
        return None

    def _quantile(self) -> Decimal | None:
        if self._take_word("median"):
            return Decimal("0.5")
        if not self._take_word("p"):
            return None
        column = self._column()
        percent = self._number()
        if not 0 < percent < 100:
            self._refuse("a quantile lies between p0 and p100", column, "for example p99")
        return percent.scaleb(-2)

    def _value(self) -> tuple[Decimal, Unit]:
        if self._take_word("sla"):
            sign = self._take("sign", "+", "-")
            if not sign:
                return Decimal(0), Unit.SLA
            share = self._number().scaleb(-2)
            if not self._take("sign", "%"):
                self._unexpected("expected '%' after the number", "for example SLA + 50%")
            if sign.text == "-" and share >= 1:
                self._refuse("the limit would be zero or less", sign.column, "take under 100%")
            return -share if sign.text == "-" else share, Unit.SLA
        number = self._number()
        if self._take("sign", "%"):
            if not self._take_word("of"):
                return number.scaleb(-2), Unit.RATIO
            self._usual()
            return number.scaleb(-2), Unit.USUAL
        if self._take_word("x", "times"):
            self._usual()
            return number, Unit.USUAL
        if self._take_word("k"):
            number *= 1000
        elif self._is_duration():
            self._at -= 1
            return self._milliseconds() / _MS, Unit.SECONDS
        self._take_word(*_NOUNS)
        return number, Unit.COUNT

    def _is_duration(self) -> bool:
        following = self._peek()
        return (
            following is not None
            and following.kind == "word"
            and following.text.lower() not in _NOUNS
            and not self._ends_value(following)
        )

    def _usual(self) -> None:
        if not self._take_word("usual"):
            self._unexpected("expected 'usual'", "for example > 3x usual for 30m")

    @staticmethod
    def _ends_value(token: _Token) -> bool:
        return token.text.lower() in ("for", "utilization", "utilisation")

    def _number(self) -> Decimal:
        token = self._take("number")
        if not token:
            self._unexpected("expected a number", "for example > 5% for 10m")
        if len(token.text) > 15:
            self._refuse("more digits than a measurement has", token.column, "at most 15")
        return Decimal(token.text.replace(",", ""))

    def _milliseconds(self) -> Decimal:
        total, column = Decimal(0), self._column()
        while True:
            number = self._number()
            unit = self._take("word")
            if not unit:
                self._unexpected("expected a unit after the number", "for example 10m or 1 hour")
            factor = _UNIT_MS.get(unit.text.lower())
            if factor is None:
                near = difflib.get_close_matches(unit.text.lower(), _UNIT_MS, 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else "use s, m, h or d"
                self._refuse(f"unknown unit {unit.text[:20]!r}", unit.column, hint)
            total += number * factor
            following = self._peek()
            if not following or following.kind != "number":
                break
        if total > _YEAR_MS:
            self._refuse("longer than 365 days", column)
        return total

    def _window(self) -> timedelta:
        column = self._column()
        total = self._milliseconds()
        if total != total.to_integral_value():
            self._refuse("finer than a millisecond", column)
        return timedelta(milliseconds=int(total))

    def _unexpected(self, expected: str, hint: str = "") -> NoReturn:
        token = self._peek()
        if token is None:
            self._refuse(f"{expected}, found the end", len(self._text) + 1, hint)
        if token.kind == "word" and not hint:
            words = ("for", "sla", "utilization", "usual", "above", "below")
            near = difflib.get_close_matches(token.text.lower(), words, 1)
            hint = f"did you mean {near[0]}?" if near else ""
        self._refuse(f"{expected}, found {token.text[:20]!r}", token.column, hint)

    def _refuse(self, message: str, column: int, hint: str = "") -> NoReturn:
        raise WrongInputError(
            f"column {column}: {message}{self._caret(column)}", place=self._place, hint=hint
        )

    def _caret(self, column: int) -> str:
        """Show the text with a mark below the column; a long one is cut around it."""
        start = max(0, column - 60)
        shown = "".join(c if c.isprintable() else " " for c in self._text[start : start + 80])
        return f"\n    {shown}\n    {' ' * (column - 1 - start)}^"
