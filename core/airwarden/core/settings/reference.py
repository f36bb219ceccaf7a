"""The reference page of all settings, made from their declarations."""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import itertools
import textwrap
import types
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from airwarden.core.durations import format_duration
from airwarden.core.settings.base import ListenAddress, SecretRef, Section
from airwarden.core.settings.root import Settings
from airwarden.core.settings.schema import Entry, inner_of, section_of, unwrap, walk
from airwarden.core.thresholds import Threshold

_HEAD = """\
# Configuration reference

Generated from the declarations in `core/airwarden/core/settings/`; do not edit.

Everything is in one file, `airwarden.yaml`. Any key can be overridden by an environment variable:
`AIRWARDEN_`, then the keys in upper case joined by two underscores, list items by their position from
0: `AIRWARDEN_REMEDIATOR__LISTEN=127.0.0.1:9900`, `AIRWARDEN_CLUSTERS__0__AIRFLOW__URL=…`. Unknown keys
and keys given twice are refused.

- **Durations** carry their unit: `250ms`, `90s`, `5m`, `1h30m`, `2d`.
- **Secrets** are never written in the file. `password` for example is given as `password_file`, a
  file whose content is the secret and which is read anew when needed, or as `password_env`, the name
  of an environment variable. An address without a password may stand in the file itself.
- **Paths** that are relative start at the folder of the file.

"""


def render() -> str:
    """Return the page as Markdown; every setting has its line."""
    lines = [_HEAD.rstrip(), ""]
    tops: dict[str, list[Entry]] = {}
    for entry in walk(Settings):
        tops.setdefault(entry.place.split(".")[0].removesuffix("[]"), []).append(entry)
    for top, entries in tops.items():
        lines += [f"## `{top}`", "", _meaning(entries[0]), ""]
        rows = entries[1:] or entries
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [_row(entry) for entry in rows]
        lines.append("")
    return "\n".join(lines)


def _row(entry: Entry) -> str:
    cells = (_key(entry), _value(entry), _default(entry), _meaning(entry))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _key(entry: Entry) -> str:
    if entry.name not in entry.model.secrets:
        return f"`{entry.place}`"
    inline = f"`{entry.place}`, " if entry.name in entry.model.addresses else ""
    return f"{inline}`{entry.place}_file`, `{entry.place}_env`"


def _value(entry: Entry) -> str:
    annotation = entry.info.annotation
    if entry.name in entry.model.secrets:
        return "address or reference" if entry.name in entry.model.addresses else "reference"
    return _kind(annotation)


def _kind(annotation: Any) -> str:
    bare = unwrap(annotation)
    if get_origin(bare) is dict:
        below = "section" if section_of(inner_of(bare)) else _kind(inner_of(bare))
        return f"name → {below}"
    if get_origin(bare) in (tuple, list):
        return (
            "list of sections" if section_of(inner_of(bare)) else f"list of {_kind(inner_of(bare))}"
        )
    if get_origin(bare) is Literal:
        return ", ".join(f"`{item}`" for item in get_args(bare))
    if get_origin(bare) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(item) for item in get_args(bare)))
    if section_of(bare):
        return "section"
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return ", ".join(f"`{item.value}`" for item in bare)
    return _NAMES.get(bare, "text")


_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    timedelta: "duration",
    Path: "path",
    ListenAddress: "HOST:PORT",
    SecretRef: "reference",
    Threshold: "threshold in words",
}


def _default(entry: Entry) -> str:
    if entry.info.is_required():
        return "**required**"
    value = entry.info.default
    if value is PydanticUndefined or value is None or value in ((), ""):
        return "none"
    if isinstance(value, Section):
        return ""
    return f"`{_text(value)}`"


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, SecretRef):
        return value.describe()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    assert not isinstance(value, BaseModel) or isinstance(value, ListenAddress)  # noqa: S101 - no other model is a value
    return str(value)


def _meaning(entry: Entry) -> str:
    found = _docstrings(entry.model).get(entry.name)
    if not found:
        raise ValueError("a setting has no description")
    return " ".join(inspect.cleandoc(found).split())


@functools.cache
def _docstrings(model: type[Section]) -> dict[str, str]:
    """Return the text below each field; pydantic would read it from the source at every start."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if not issubclass(owner, Section):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(statements):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[name] = words
    return found


if __name__ == "__main__":
    print(render(), end="")
