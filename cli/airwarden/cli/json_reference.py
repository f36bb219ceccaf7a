"""The reference page of what commands print with `--output json`, made from the types themselves."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from airwarden.cli.shapes import NO_DATA, SHAPES

_HEAD = """\
# What commands print for programs

This page is generated (`make generate`); a test compares it with what it describes.

Every command that prints data takes `--output json` and then prints one JSON document on stdout and
nothing else there; what is asked of a person, warnings and errors go to stderr, with the same [exit
codes](commands.md). Times are ISO 8601 with their zone. New keys may be added; a key that is renamed or
removed stands under **Breaking** in the [changelog](../../CHANGELOG.md).
"""
_WORDS: Mapping[Any, str] = {str: "text", int: "number", float: "number", bool: "true or false"}


def render() -> str:
    """Return the page as Markdown."""
    blocks = [_HEAD, *_commands(), *_types()]
    return "\n".join(blocks)


def _commands() -> Iterator[str]:
    yield "| command | prints |\n|---|---|"
    for command, shape in SHAPES.items():
        name = "text" if shape.of is str else _link(shape.of)
        also = "".join(f"; and `{key}`: {meaning}" for key, meaning in shape.adds.items())
        yield f"| `airwarden {command}` | {'a list of ' if shape.many else ''}{name}{also} |"
    yield "\nThese print no data:\n"
    yield "| command | because it |\n|---|---|"
    for command, why in NO_DATA.items():
        yield f"| `airwarden {command}` | {why} |"
    yield ""


def _types() -> Iterator[str]:
    for one in _all_types():
        summary = (inspect.getdoc(one) or "").partition("\n\n")[0].replace("\n", " ")
        meanings = _meanings(one)
        yield f"## {_name(one)}\n\n{summary}\n\n| key | type | meaning |\n|---|---|---|"
        lacks = {key for shape in SHAPES.values() if shape.of is one for key in shape.lacks}
        for key, kind in get_type_hints(one).items():
            if key in lacks:
                continue
            yield f"| `{key}` | {_word(kind)} | {meanings.get(key, '')} |"
        yield ""


def _all_types() -> Sequence[Any]:
    found: list[Any] = []
    waiting = [shape.of for shape in SHAPES.values()]
    while waiting:
        one = waiting.pop(0)
        if _is_object(one):
            if one not in found:
                found.append(one)
                waiting += get_type_hints(one).values()
        else:
            waiting += get_args(one)
    return sorted(found, key=_name)


def _is_object(one: Any) -> bool:
    return isinstance(one, type) and (is_dataclass(one) or is_typeddict(one))


def _name(one: Any) -> str:
    module = one.__module__.rsplit(".", 2)[-2]
    return f"{module.capitalize()}Finding" if one.__name__ == "Finding" else str(one.__name__)


def _link(one: Any) -> str:
    return f"[{_name(one)}](#{_name(one).lower()})"


def _meanings(one: Any) -> Mapping[str, str]:
    """Return what the docstring says of each key; one line there may be about several."""
    _, _, told = (inspect.getdoc(one) or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", "\n" + told.partition("\n\n")[0]):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        found |= dict.fromkeys(names.split(", "), meaning.replace("|", "\\|"))
    return found


def _word(kind: Any) -> str:
    """Say a type in JSON's words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if one is type(None) else _word(one) for one in inner)
    if kind in _WORDS:
        return _WORDS[kind]
    if _is_object(kind):
        return _link(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    if kind is datetime:
        return "time"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "object"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        items = [one for one in inner if one is not Ellipsis]
        return f"list of {_word(items[0])}" if len(items) == 1 else "list"
    return "any"
