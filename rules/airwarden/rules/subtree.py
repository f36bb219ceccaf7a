"""Airwarden's part of an Alertmanager that a site already has: one route, its receivers, its inhibitions.

Everything is told by the names of our alerts, so that no other alert is touched. `merged` puts the part
into a site's configuration, first among its routes, and `compare` shows that all else goes where it went.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airwarden.core.errors import WrongInputError
from airwarden.rules.findings import Finding, FindingSeverity
from airwarden.rules.model import Rules
from airwarden.rules.promql import any_of, quoted
from airwarden.rules.render_alertmanager import alertmanager_document
from airwarden.rules.routing import Condition, Node, parse_conditions, parse_route

#: Before the names of our receivers, which would otherwise meet the site's.
PREFIX = "airwarden-"
#: Stands for a value that no route names.
_OTHER = "some-other-value"
#: Most label sets that the two trees are compared with.
_PROBES = 4000


def subtree(rules: Rules) -> dict[str, Any]:
    """Return our part: `route` (a child of the site's root), `receivers`, `inhibit_rules`, and
    `time_intervals` where a team has some."""
    document = alertmanager_document(rules)
    names = [context.name for context in rules.all()]
    ours = f"alertname=~{quoted(any_of(names))}"
    return {
        "route": {"matchers": [ours], **_renamed(document["route"])},
        "receivers": [
            {**receiver, "name": f"{PREFIX}{receiver['name']}"}
            for receiver in document["receivers"]
        ],
        "inhibit_rules": document["inhibit_rules"],
        **(
            {
                "time_intervals": [
                    {**one, "name": f"{PREFIX}{one['name']}"} for one in document["time_intervals"]
                ]
            }
            if "time_intervals" in document
            else {}
        ),
    }


def _renamed(route: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(route)
    if "receiver" in found:
        found["receiver"] = f"{PREFIX}{found['receiver']}"
    for key in ("active_time_intervals", "mute_time_intervals"):
        if key in found:
            found[key] = [f"{PREFIX}{name}" for name in found[key]]
    if "routes" in found:
        found["routes"] = [_renamed(below) for below in found["routes"]]
    return found


def merged(theirs: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a site's configuration with our part in it; a part that it holds already is replaced.

    Raises:
        WrongInputError: It is no configuration of Alertmanager.
    """
    if not isinstance(theirs.get("route"), dict):
        raise WrongInputError("has no route: it is no configuration of Alertmanager")
    root = theirs["route"]
    ours = {receiver["name"] for receiver in part["receivers"]}
    hours = [
        *(
            one
            for one in theirs.get("time_intervals") or ()
            if not str(one.get("name")).startswith(PREFIX)
        ),
        *part.get("time_intervals", ()),
    ]
    return {
        **{key: value for key, value in theirs.items() if key != "time_intervals"},
        **({"time_intervals": hours} if hours else {}),
        "route": {
            **root,
            "routes": [
                part["route"],
                *(r for r in root.get("routes") or () if r.get("receiver") not in ours),
            ],
        },
        "receivers": [
            *(r for r in theirs.get("receivers") or () if r.get("name") not in ours),
            *part["receivers"],
        ],
        "inhibit_rules": [
            *(
                rule
                for rule in theirs.get("inhibit_rules") or ()
                if rule not in part["inhibit_rules"]
            ),
            *part["inhibit_rules"],
        ],
    }


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], rules: Rules
) -> tuple[Finding, ...]:
    """Return what a configuration with our part in it does otherwise than the one before.

    Args:
        before: The site's own.
        after: With our part, however it came there.
        rules: The installation's.

    Raises:
        WrongInputError: One of them is no configuration of Alertmanager.
    """
    names = [context.name for context in rules.all()]
    old, new = parse_route(before.get("route") or {}), parse_route(after.get("route") or {})
    return (
        *_rerouted(old, new, names),
        *_unheard(new, rules),
        *_inhibited(before, rules),
        *_missing_receivers(after, new),
    )


def _rerouted(old: Node, new: Node, names: list[str]) -> Iterator[Finding]:
    """What is none of our alerts must take the same routes, with the same grouping and times."""
    for labels in probes(old, new):
        if labels.get("alertname") in names:
            continue
        was = [_way(node, labels) for node in old.match(labels)]
        is_ = [_way(node, labels) for node in new.match(labels)]
        if was != is_:
            shown = ", ".join(f"{name}={value}" for name, value in labels.items()) or "no label"
            yield Finding(
                new.match(labels)[0].place,
                FindingSeverity.ERROR,
                f"an alert with {shown} went to {', '.join(w[0] for w in was)} and would go to"
                f" {', '.join(i[0] for i in is_)}",
                "keep our part to one route whose matcher names our alerts, before the others",
            )
            return


def _way(node: Node, labels: Mapping[str, str]) -> tuple[str, object, object, object, object]:
    return node.receiver, node.group(labels), node.waits, node.muted, node.only


def probes(*trees: Node) -> Iterator[dict[str, str]]:
    """Yield label sets that tell the routes of trees apart: each label as some route wants it, or not."""
    values: dict[str, list[str]] = {"alertname": [_OTHER]}
    for tree in trees:
        for node in tree.all():
            for condition in node.conditions:
                found = values.setdefault(condition.label, [])
                found += [v for v in _examples(condition) if v not in found]
    for found in values.values():
        found += [v for v in ("", _OTHER) if v not in found]
    # Every route's own wishes first, then combinations as far as they go.
    for tree in trees:
        for node in tree.all():
            yield {c.label: v for c in node.conditions for v in _examples(c)[:1] if v}
    names = sorted(values)
    for combination in itertools.islice(itertools.product(*(values[n] for n in names)), _PROBES):
        yield {name: value for name, value in zip(names, combination, strict=True) if value}


def _examples(condition: Condition) -> list[str]:
    if condition.operator == "=":
        return [condition.value]
    if condition.operator == "!=":
        return [_OTHER, condition.value]
    plain = [part for part in condition.value.split("|") if re.fullmatch(r"[\w.:/ -]+", part)]
    fitting = [part for part in plain if re.fullmatch(condition.value, part)]
    return [*fitting[:3], _OTHER]


def _unheard(new: Node, rules: Rules) -> Iterator[Finding]:
    for context in rules.all():
        labels = {"alertname": context.name, "severity": context.severity.value,
                  "cluster": rules.config.clusters[0]}  # fmt: skip
        away = [node for node in new.match(labels) if not node.receiver.startswith(PREFIX)]
        if away:
            yield Finding(
                away[0].place,
                FindingSeverity.WARNING,
                f"{context.name} goes to {away[0].receiver} and not to Airwarden's receivers",
                "put our route before the others, or let those go on (continue: true)",
            )


def _inhibited(theirs: Mapping[str, Any], rules: Rules) -> Iterator[Finding]:
    """A site's own inhibition that is written widely mutes ours as well."""
    for number, rule in enumerate(theirs.get("inhibit_rules") or ()):
        place = f"inhibit_rules[{number}]"
        targets = parse_conditions(rule, "target", place)
        muted = [
            context.name
            for context in rules.all()
            if all(
                condition.fits(
                    {"alertname": context.name, "severity": context.severity.value,
                     "cluster": rules.config.clusters[0], "component": context.rule.component}
                )
                for condition in targets
            )
        ]  # fmt: skip
        if muted:
            yield Finding(
                place,
                FindingSeverity.WARNING,
                f"mutes {len(muted)} of Airwarden's alerts, {muted[0]} among them, while its source"
                " fires",
                'leave them out: add alertname!~"Airflow.*|Airwarden.*|Watchdog" to its targets',
            )


def _missing_receivers(after: Mapping[str, Any], new: Node) -> Iterator[Finding]:
    known = {receiver.get("name") for receiver in after.get("receivers") or ()}
    for node in new.all():
        if node.receiver not in known:
            yield Finding(
                node.place,
                FindingSeverity.ERROR,
                f"receiver {node.receiver} is not defined",
                "take the receivers of the part over as well",
            )
            return
