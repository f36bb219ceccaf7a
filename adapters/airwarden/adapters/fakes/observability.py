"""A Prometheus that knows answers, and an Alertmanager that holds alerts and silences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.alerts import Alert
from airwarden.core.clock import Clock
from airwarden.core.errors import RejectedError
from airwarden.core.platform import Sample, Silence


class FakePrometheus(Faults):
    """Answers by expression; one that it was not told of gives an empty vector.

    Args:
        clock: Gives the samples' timestamps.

    Attributes:
        asked: The expressions that were asked for, in order.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._answers: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        self.asked: list[str] = []

    def put(self, expression: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Add a sample to an expression's answer, or replace the one of the same labels."""
        labels = dict(labels or {})
        rest = [row for row in self._answers.get(expression, []) if row[0] != labels]
        self._answers[expression] = [*rest, (labels, value)]

    def clear(self, expression: str) -> None:
        """Empty an expression's answer."""
        self._answers.pop(expression, None)

    def query(self, expression: str) -> Sequence[Sample]:
        """Return the instant vector."""
        self._reading()
        if not expression.strip():
            raise RejectedError("the expression is empty")
        self.asked.append(expression)
        at = self._clock.now().timestamp()
        return [Sample(labels, value, at) for labels, value in self._answers.get(expression, [])]


class FakeAlertmanager(Faults):
    """Alerts that a test fires, and silences that suppress them.

    Args:
        clock: Decides which silences are active.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._alerts: dict[str, Alert] = {}
        self._silences: dict[str, Silence] = {}

    def fire(self, alert: Alert) -> None:
        """Add or replace an alert by its fingerprint."""
        self._alerts[alert.fingerprint] = alert

    def resolve(self, fingerprint: str) -> None:
        """Remove an alert."""
        self._alerts.pop(fingerprint, None)

    def silence(self, silence: Silence) -> None:
        """Add or replace a silence by its id."""
        self._silences[silence.id] = silence

    def alerts(self) -> Sequence[Alert]:
        """Return all alerts, those under an active silence with its id in `suppressed_by`."""
        self._reading()
        now = self._clock.now()
        active = [s for s in self._silences.values() if s.starts_at <= now < s.ends_at]
        found = []
        for alert in self._alerts.values():
            by = tuple(s.id for s in active if _matches(s, alert.labels))
            found.append(replace(alert, suppressed_by=(*by, *alert.suppressed_by)))
        return found

    def silences(self) -> Sequence[Silence]:
        """Return silences that are active or pending."""
        self._reading()
        now = self._clock.now()
        return [s for s in self._silences.values() if s.ends_at > now]

    def add_silence(self, silence: Silence, *, by: str) -> str:
        """Make a silence; `by` is not kept."""
        self._reading()
        if silence.ends_at <= self._clock.now() or not silence.matchers:
            raise RejectedError("a silence ends in the future and matches something")
        made = f"silence-{len(self._silences) + 1}"
        self._silences[made] = replace(silence, id=made)
        return made


def _matches(silence: Silence, labels: Mapping[str, str]) -> bool:
    """Judge as Alertmanager does: regular expressions are anchored, an absent label is empty."""
    for name, value, is_regex, is_equal in silence.matchers:
        have = labels.get(name, "")
        hit = bool(re.fullmatch(value, have)) if is_regex else have == value
        if hit != is_equal:
            return False
    return True
