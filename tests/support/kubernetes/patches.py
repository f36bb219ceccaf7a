"""The three kinds of PATCH."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from support.kubernetes.resources import ApiError, Json

#: Lists that strategic merge joins element by element, by the key that names one.
_MERGED = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "conditions": "type",
    "containerStatuses": None,  # replaced as a whole, as in the API's own types
    "ownerReferences": "uid",
}


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic(target: Any, patch: Any) -> Any:
    """Apply a strategic merge patch: a merge patch that joins the lists whose elements have names."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        by = _MERGED.get(key)
        if value is None:
            merged.pop(key, None)
        elif key == "finalizers" and isinstance(value, list):
            merged[key] = [
                *merged.get(key, []),
                *(v for v in value if v not in merged.get(key, [])),
            ]
        elif by and isinstance(value, list):
            merged[key] = _join(merged.get(key) or [], value, by)
        else:
            merged[key] = strategic(merged.get(key), value)
    return merged


def _join(old: Sequence[Json], new: Sequence[Json], by: str) -> list[Json]:
    joined = [dict(one) for one in old]
    for element in new:
        at = next((i for i, one in enumerate(joined) if one.get(by) == element.get(by)), None)
        if element.get("$patch") == "delete":
            if at is not None:
                del joined[at]
        elif at is None:
            joined.append(copy.deepcopy(element))
        else:
            joined[at] = strategic(joined[at], element)
    return joined


def json_patch(target: Json, operations: Any) -> Json:
    """Apply a JSON patch (RFC 6902) of add, replace, remove and test.

    Raises:
        ApiError: 422 where a path does not exist or a test fails, 400 for what is no patch.
    """
    if not isinstance(operations, list):
        raise ApiError(400, "BadRequest", "a JSON patch is a list of operations")
    result: Any = copy.deepcopy(target)
    for operation in operations:
        _operate(result, operation)
    return dict(result)


def _operate(document: Any, operation: Json) -> None:
    parts = [p.replace("~1", "/").replace("~0", "~") for p in str(operation["path"]).split("/")[1:]]
    verb, value = operation["op"], operation.get("value")
    place = document
    try:
        for part in parts[:-1]:
            place = place[int(part)] if isinstance(place, list) else place[part]
        last: Any = parts[-1]
        if isinstance(place, list) and last != "-":
            last = int(last)
        if verb == "test":
            if place[last] != value:
                raise ApiError(
                    422, "Invalid", f"the server rejected our request: test {parts} failed"
                )
        elif verb == "remove":
            del place[last]
        elif verb == "add" and isinstance(place, list):
            place.insert(len(place) if last == "-" else last, copy.deepcopy(value))
        else:
            if verb == "replace":
                place[last]  # raises for what is not there
            place[last] = copy.deepcopy(value)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ApiError(
            422, "Invalid", f"the server rejected our request: {operation['path']}: {error!r}"
        ) from None


def apply(kind: str, target: Json, patch: Any, *, custom: bool) -> Json:
    """Apply a patch of this content type.

    Raises:
        ApiError: 415 for one that is not taken here.
    """
    if kind == "application/json-patch+json":
        return json_patch(target, patch)
    if kind == "application/merge-patch+json":
        return dict(merge(target, patch))
    if kind == "application/strategic-merge-patch+json" and not custom:
        return dict(strategic(target, patch))
    raise ApiError(415, "UnsupportedMediaType", f"the body of the request was in {kind}")
