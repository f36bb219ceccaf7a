"""Makes the committed schema of what the generator wrote: parts that repeat once, and where it comes from."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

#: Parts shorter than this stay where they are.
_SHORT = 200


def shared(schema: Any) -> Any:
    """Return a schema in which each long part that repeats stands once, under `definitions`."""
    counts: Counter[str] = Counter()

    def count(part: Any) -> None:
        for child in _children(part):
            counts[_key(child)] += 1
            # What is seen again is counted whole, not its parts again.
            if counts[_key(child)] == 1:
                count(child)

    count(schema)
    repeated = sorted(key for key, n in counts.items() if n > 1 and len(key) > _SHORT)
    names = {key: f"part{number}" for number, key in enumerate(repeated, 1)}
    definitions: dict[str, Any] = {}

    def refer(part: Any) -> Any:
        if isinstance(part, list):
            return [refer(one) for one in part]
        if not isinstance(part, dict):
            return part
        name = names.get(_key(part))
        inner = {key: refer(value) for key, value in part.items()}
        if name is None:
            return inner
        definitions[name] = inner
        return {"$ref": f"#/definitions/{name}"}

    return {**refer(schema), "definitions": definitions}


def _children(part: Any) -> list[Any]:
    values = part if isinstance(part, list) else part.values() if isinstance(part, dict) else ()
    found: list[Any] = []
    for value in values:
        found += _children(value) if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def _key(part: Any) -> str:
    return json.dumps(part, sort_keys=True)


def main(made: str, kept: str, version: str) -> None:
    """Write the schema beside a note of its origin."""
    given = json.loads(Path(made).read_text(encoding="utf-8"))
    schema = given["definitions"]["AirwardenDashboard"]
    note = (
        f"Made by `make grafana-schema` from the types of @grafana/schema {version}, copyright Grafana Labs, Apache License "
        "2.0 (as LICENSE in this repository), put together by tests/support/grafana_schema/dashboard.ts."
    )
    document = {"$comment": note, "$schema": given["$schema"], **shared(schema)}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    Path(kept).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4])
