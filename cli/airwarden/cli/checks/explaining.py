"""What applies to one alert: its thresholds in normal form, and which override wins where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airwarden.cli.outputs import rule_config
from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings
from airwarden.rules import catalogue, scopes
from airwarden.rules.config import AlertOverride
from airwarden.rules.model import Context, Rules


@dataclass(frozen=True, slots=True)
class Applying:
    """What applies in one part of the platform.

    Attributes:
        alert: The alert's name.
        where: The part, as PromQL matchers; empty for the whole.
        words: Threshold and length in normal form; empty where the alert is off.
        severity: Its severity.
        more: Range and minimum, where it has them.
        from_keys: Keys of the overrides that were consulted, the most specific first; the alert's own
            key follows where the file has it.
    """

    alert: str
    where: str
    words: str
    severity: str
    more: str
    from_keys: tuple[str, ...]


def applying(settings: Settings, alert: str, where: Iterable[str]) -> tuple[Applying, ...]:
    """Return what applies to an alert: for series with these labels, or everywhere.

    Raises:
        WrongInputError: There is no such alert, or a label is not written as LABEL=VALUE.
    """
    if not alert:
        raise WrongInputError("--where says nothing alone", hint="name the alert with --explain")
    rule = catalogue.alert(alert)
    config = rule_config(settings)
    rules = catalogue.resolve(config)
    base = config.overrides.get(alert, AlertOverride())
    labels = dict(map(_pair, where))
    found = []
    for scope, effect in scopes.partition(base):
        if labels and not all(matcher.admits(labels) for matcher in scope):
            continue
        context = Context(rule, config, Rules(config, rules.catalogue), effect, scope)
        named = labels or {m.label: m.values[0] for m in scope if m.positive}
        found.append(_shown(context, _keys(base, alert, named, settings)))
    return tuple(found)


def _pair(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not (label and equals):
        raise WrongInputError(f"{text!r} is not LABEL=VALUE", hint="for example team=growth")
    return ("dag_id" if label == "dag" else label), value


def _keys(
    base: AlertOverride, alert: str, labels: dict[str, str], settings: Settings
) -> tuple[str, ...]:
    keys = [
        f"alerts.{alert}.overrides[{base.scoped.index(scoped)}]"
        for scoped in scopes.applied(base, labels)
    ]
    return (*keys, *([f"alerts.{alert}"] if alert in settings.alerts else []))


def _shown(context: Context, keys: tuple[str, ...]) -> Applying:
    limit = f"{context.beyond_in_words} " if context.threshold else ""
    length = f"for {format_duration(context.hold)}" if context.hold else "at once"
    more = []
    if context.rule.over is not None:
        more.append(f"over {format_duration(context.over)}")
    if context.rule.at_least:
        more.append(f"at least {context.at_least}")
    off = context.override.enabled is False
    return Applying(
        context.name,
        ", ".join(map(str, context.scope)),
        "" if off else limit + length,
        context.severity.value,
        ", ".join(more),
        keys,
    )


def as_text(shown: Iterable[Applying], place: Callable[[str], str]) -> str:
    """Return the parts as lines; `place` turns a key into file and line."""
    lines = []
    for one in shown:
        facts = ", ".join(filter(None, (one.words, one.severity, one.more)))
        lines.append(f"{one.alert}{f' where {one.where}' if one.where else ''}")
        lines.append(f"  {facts}" if one.words else "  off")
        lines += [f"  from {place(key)}" for key in one.from_keys]
        if not one.from_keys:
            lines.append("  from the catalogue")
    return "\n".join(lines)


def as_json(shown: Iterable[Applying]) -> list[dict[str, object]]:
    """Return the parts as plain values."""
    return [
        {
            "alert": one.alert,
            "where": one.where,
            "enabled": bool(one.words),
            "threshold": one.words,
            "severity": one.severity,
            "more": one.more,
            "from": list(one.from_keys),
        }
        for one in shown
    ]
