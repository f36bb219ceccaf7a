"""What keys exist where: read off the models, for near-miss hints and the reference page."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from airwarden.core.settings.base import Section


def unwrap(annotation: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            inner = [item for item in get_args(annotation) if item is not type(None)]
            if len(inner) != 1:
                return annotation
            annotation = inner[0]
        else:
            return annotation


def section_of(annotation: Any) -> type[Section] | None:
    """Return the model behind an annotation, if it is one of ours."""
    bare = unwrap(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Section) else None


def inner_of(annotation: Any) -> Any:
    """Return what a list or mapping holds; None for anything else."""
    bare = unwrap(annotation)
    if get_origin(bare) is dict:
        return get_args(bare)[1]
    if get_origin(bare) in (tuple, list):
        return get_args(bare)[0]
    return None


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that operators may write in a section, secrets as their two ways."""
    keys: list[str] = []
    secrets = getattr(model, "secrets", ())
    addresses = getattr(model, "addresses", ())
    for name, info in model.model_fields.items():
        if name in secrets:
            keys += [name] if name in addresses else []
            keys += [f"{name}_file", f"{name}_env"]
        else:
            keys.append(info.alias or name)
    return keys


def keys_at(root: type[Section], path: tuple[str | int, ...]) -> list[str]:
    """Return the keys allowed at a place of the settings file; empty where any is, or unknown."""
    annotation: Any = root
    for step in path:
        model = section_of(annotation)
        if model is not None:
            info = model.model_fields.get(str(step))
            if info is None:
                return []
            annotation = info.annotation
        else:
            annotation = inner_of(annotation)
    model = section_of(annotation)
    return keys_of(model) if model else []


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: its place (`clusters[].airflow.url`), field and section."""

    place: str
    name: str
    info: FieldInfo
    model: type[Section]


def walk(model: type[Section], place: str = "") -> Iterator[Entry]:
    """Yield every setting below a section, in the order of declaration."""
    for name, info in model.model_fields.items():
        here = f"{place}.{name}" if place else name
        yield Entry(here, name, info, model)
        annotation = info.annotation
        inner = inner_of(annotation)
        if inner is not None:
            here += "[]" if get_origin(unwrap(annotation)) is not dict else ".NAME"
            annotation = inner
        below = section_of(annotation)
        if below is not None:
            yield from walk(below, here)
