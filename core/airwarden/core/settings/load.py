"""From text to settings: parse, override from the environment, validate, explain what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airwarden.core.errors import WrongInputError
from airwarden.core.settings.document import (
    Document,
    apply_environment,
    dotted,
    read_document,
)
from airwarden.core.settings.document import Path as Place
from airwarden.core.settings.root import Settings
from airwarden.core.settings.schema import keys_at

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: File, line and key.
        message: What is wrong and what was expected.
        hint: The mend, where one can be guessed.
    """

    place: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class WrongSettingsError(WrongInputError):
    """The settings are wrong; `problems` holds all that was found, the first is the message."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        first = problems[0]
        super().__init__(first.message, place=first.place, hint=first.hint)


def parse(
    text: str, *, source: str, environ: Mapping[str, str], base: Path | None = None
) -> Settings:
    """Read settings; does no I/O.

    Args:
        text: Content of the settings file; empty is valid and gives all defaults.
        source: What the operator calls the file, for messages.
        environ: Environment variables; `AIRWARDEN_…` override single keys.
        base: Folder that relative paths start from; the folder of `source` by default.

    Raises:
        WrongSettingsError: With file, line, key, what was expected and the nearest known key.
    """
    try:
        document = read_document(text, source=source)
        apply_environment(document, environ, tuple(Settings.model_fields))
    except WrongInputError as error:
        problem = Problem(error.place, error.message, error.hint)
        raise WrongSettingsError((problem,)) from None
    context = {"base": base if base is not None else Path(source).parent}
    try:
        return Settings.model_validate(document.data, context=context)
    except ValidationError as error:
        found = sorted(
            error.errors(include_url=False),
            key=lambda item: document.line(_existing(document, tuple(item["loc"]))),
        )
        problems = tuple(_problem(document, item) for item in found[:_SHOWN])
        raise WrongSettingsError(problems) from None


def _problem(document: Document, error: Any) -> Problem:
    place = _existing(document, tuple(error["loc"]))
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(document, place)
        case "missing":
            return Problem(document.place(place[:-1]), f"{dotted(place)} is missing")
        case "wrong":
            return Problem(document.place((*place, *_steps(context["key"]))), context["message"])
        case "value_error":
            return Problem(document.place(place), str(context["error"]))
        case "literal_error" | "enum":
            return _not_one_of(document, place, error)
        case _:
            found = (
                "" if isinstance(error["input"], Mapping | list) else f", not {error['input']!r}"
            )
            message = error["msg"][:1].lower() + error["msg"][1:]
            return Problem(document.place(place), _PLAIN.get(error["type"], message) + found)


_PLAIN = {
    "model_type": "expected a section with keys",
    "dict_type": "expected a section with keys",
    "tuple_type": "expected a list",
    "string_type": "expected text (quote it)",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
}


def _steps(key: str) -> Place:
    """Read `slas[0].cluster` back into its steps."""
    found = re.findall(r"([^.\[\]]+)|\[(\d+)\]", key)
    return tuple(int(position) if position else name for name, position in found)


def _unknown_key(document: Document, place: Place) -> Problem:
    known = keys_at(Settings, place[:-1])
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}" if known else ""
    return Problem(document.place(place), "unknown key", hint)


def _not_one_of(document: Document, place: Place, error: Any) -> Problem:
    expected = error["ctx"]["expected"]
    names = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(error["input"]), names, n=1, cutoff=0.5)
    found = f"expected {expected}, not {error['input']!r}"
    return Problem(document.place(place), found, f"did you mean {near[0]}?" if near else "")


def _existing(document: Document, location: tuple[Any, ...]) -> Place:
    """Keep the steps of a location that are keys or positions, without pydantic's own marks."""
    place: Place = ()
    value: Any = document.data
    for step in location:
        if step == "[key]":
            continue
        if isinstance(value, dict):
            place, value = (*place, str(step)), value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            place, value = (*place, step), value[step] if step < len(value) else None
        elif isinstance(value, list) and (position := _holding(value, step)) is not None:
            place, value = (*place, position, str(step)), value[position][step]
        else:
            place = (*place, step) if isinstance(step, str | int) else place
            value = None
    return place


def _holding(items: list[Any], key: Any) -> int | None:
    """Return the position of the one-key mapping that was merged into its list's mapping."""
    found = (at for at, item in enumerate(items) if isinstance(item, dict) and key in item)
    return next(found, None)
