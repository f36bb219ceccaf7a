"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from support.kubernetes.resources import ApiError, Json

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=]+)\s*(?P<op>==|!=|=)\s*(?P<value>[^\s]*)\s*$")


def labels_match(selector: str, labels: Mapping[str, str]) -> bool:
    """Return whether labels match a selector as it stands in a query."""
    return all(_one(part, labels) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _one(part: str, labels: Mapping[str, str]) -> bool:
    if found := _SET.match(part):
        values = {value.strip() for value in found["values"].split(",")}
        inside = labels.get(found["key"]) in values
        return inside if found["op"] == "in" else not inside
    if found := _EQUAL.match(part):
        equal = labels.get(found["key"]) == found["value"]
        return not equal if found["op"] == "!=" else equal
    word = part.strip()
    return word[1:].strip() not in labels if word.startswith("!") else word in labels


def selected(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether labels match a selector as it stands in an object."""
    if selector is None:
        return False
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        value, values = labels.get(one["key"]), one.get("values") or ()
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[one["operator"]]
        if not holds:
            return False
    return True


def fields_match(selector: str, thing: Json) -> bool:
    """Return whether an object matches a field selector.

    Raises:
        ApiError: 400 for a field that cannot be selected by.
    """
    for part in selector.split(","):
        found = _EQUAL.match(part)
        if found is None:
            raise ApiError(400, "BadRequest", f"invalid selector: {part!r}")
        root = found["key"].split(".")[0]
        if root not in ("metadata", "spec", "status", "involvedObject", "reason", "type"):
            raise ApiError(400, "BadRequest", f"field label not supported: {found['key']}")
        value: Any = thing
        for step in found["key"].split("."):
            value = value.get(step, "") if isinstance(value, dict) else ""
        if (str(value) == found["value"]) != (found["op"] != "!="):
            return False
    return True
