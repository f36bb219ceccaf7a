"""Which alerts rest on a metric, directly or through what is recorded from it."""

from __future__ import annotations

import re
from collections.abc import Collection

from airwarden.core.own_yaml import load_own
from airwarden.rules.model import Rules
from airwarden.rules.render_prometheus import rule_files

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SERIES = re.compile(r"_(?:bucket|sum|count)$")


def alerts_resting_on(rules: Rules, metrics: Collection[str]) -> tuple[str, ...]:
    """Return the alerts, sorted, whose expression names any of these metrics.

    Args:
        rules: Of an installation.
        metrics: Full names.
    """
    entries = [
        rule
        for text in rule_files(rules).values()
        for group in load_own(text).get("groups", ())
        for rule in group["rules"]
    ]
    touched = set(metrics)
    while True:  # a recording may rest on another one
        more = {
            str(entry["record"])
            for entry in entries
            if "record" in entry and _names(entry) & touched
        }
        if more <= touched:
            break
        touched |= more
    return tuple(sorted({str(e["alert"]) for e in entries if "alert" in e and _names(e) & touched}))


def _names(entry: dict[str, object]) -> set[str]:
    found = set(_NAME.findall(str(entry["expr"])))
    return found | {_SERIES.sub("", name) for name in found}
