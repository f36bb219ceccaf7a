"""The settings file as data with places: every value knows its line, duplicate keys are refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from airwarden.core.errors import WrongInputError
from airwarden.core.settings.base import EnvironmentValue

#: A place in the document: keys and list positions from the top.
Path = tuple[str | int, ...]
_PREFIX = "AIRWARDEN_"
_LIMIT = 100_000
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_SCALARS = frozenset({"str", "int", "float", "bool", "null"})


class _Loader(yaml.SafeLoader):
    """YAML without the traps: `on`, `yes` and `12:30` stay text."""


#: libyaml reads ten times as fast; PyYAML is built without it on some platforms.
_Libyaml: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_Libyaml):  # type: ignore[misc]
    """The same in C, which has no guard against nesting without end."""


def _plain_scalars(loader: Any) -> None:
    loader.yaml_implicit_resolvers = {
        letter: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.rsplit(":", 1)[-1] not in ("bool", "int", "float", "timestamp")
        ]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    add = loader.add_implicit_resolver
    add("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"])
    add("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), [*"-+0123456789"])
    number = re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$")
    add("tag:yaml.org,2002:float", number, [*"-+.0123456789"])


_plain_scalars(_Loader)
_plain_scalars(_FastLoader)
#: Deeper than this nothing of ours is nested; and what text that might be begins with.
_DEEP = 50
_INDENTED = re.compile(rf"^[ \t?:-]{{{2 * _DEEP},}}", re.M)


def _may_be_deep(text: str) -> bool:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest > _DEEP or _INDENTED.search(text) is not None


def _composed(text: str) -> tuple[Any, yaml.Node | None]:
    """Return the document's node, and the loader that makes values of it.

    What libyaml refuses is read again by PyYAML itself, which says better why.

    Raises:
        yaml.YAMLError: Not YAML.
        RecursionError: Nested too deep.
    """
    if not _may_be_deep(text):
        with contextlib.suppress(yaml.YAMLError):
            fast = _FastLoader(text)
            return fast, fast.get_single_node()
    loader = _Loader(text)
    return loader, loader.get_single_node()


@dataclass(slots=True)
class Document:
    """A parsed settings file.

    Attributes:
        source: What the operator calls it, for messages.
        data: The content; plain mappings, lists and scalars.
        lines: Place → line number, from 1.
        variables: Place → the environment variable that set it.
    """

    source: str
    data: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    variables: dict[Path, str] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """Return `FILE:LINE: KEY`, or the variable that set the value."""
        key = dotted(path)
        for length in range(len(path), 0, -1):
            if (variable := self.variables.get(path[:length])) is not None:
                return f"environment variable {variable}" + (f": {key}" if key else "")
            if (line := self.lines.get(path[:length])) is not None:
                return f"{self.source}:{line}: {key}"
        for where, variable in self.variables.items():
            if path and where[: len(path)] == path:
                return f"environment variable {variable}: {key}"
        return f"{self.source}: {key}" if key else self.source

    def line(self, path: Path) -> int:
        """Return the line of a place or of the nearest section around it, 0 if there is none."""
        return next(
            (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0
        )


def dotted(path: Path) -> str:
    """Write a place as operators read it: `clusters[0].airflow.url`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_document(text: str, *, source: str) -> Document:
    """Parse YAML into a document.

    Raises:
        WrongInputError: Not YAML, not a mapping, or a key given twice; with file and line.
    """
    try:
        loader, node = _composed(text)
        document = Document(source, {})
        if node is None:
            return document
        if not isinstance(node, yaml.MappingNode):
            raise WrongInputError("expected keys with values", place=f"{source}:1")
        document.data = _Builder(loader, document).mapping(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        problem = error.problem or error.context or "cannot be read"
        raise WrongInputError(f"not valid YAML: {problem}", place=place) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongInputError(
            f"not valid YAML: {str(error).splitlines()[0]}", place=source
        ) from None
    return document


def place_of(text: str, source: str, key: str) -> str | None:
    """Return `FILE:LINE: KEY` for a key, None if it is not there.

    Args:
        text: The settings file's content.
        source: What the operator calls it.
        key: As `alerts.Name.threshold`; positions in lists may be left out.
    """
    document = read_document(text, source=source)
    for path in document.lines:
        names = tuple(step for step in path if isinstance(step, str))
        if key in (dotted(path), dotted(names)):
            return document.place(path)
    return None


class _Builder:
    """Turns nodes into values and notes their lines."""

    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        if len(self._document.lines) > _LIMIT or id(node) in self._open:
            raise WrongInputError("aliases expand without end", place=self._at(node))
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._open.add(id(node))
            items = []
            for index, child in enumerate(node.value):
                self._document.lines[(*path, index)] = child.start_mark.line + 1
                items.append(self.value(child, (*path, index)))
            self._open.discard(id(node))
            return items
        if node.tag.removeprefix(_TAG) not in _SCALARS:
            raise WrongInputError(f"tag {node.tag} is not understood", place=self._at(node))
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError):
            raise WrongInputError("cannot be read as its tag says", place=self._at(node)) from None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._open.add(id(node))
        first: dict[str, int] = {}
        merges = False
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merges = True
                continue
            key = str(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode):
                raise WrongInputError("a key must be text", place=self._at(key_node))
            if key in first:
                raise WrongInputError(
                    f"{dotted((*path, key))} is given twice",
                    place=self._at(key_node),
                    hint=f"first on line {first[key]}",
                )
            first[key] = key_node.start_mark.line + 1
        if merges:
            self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            self._document.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        self._open.discard(id(node))
        return result

    def _at(self, node: yaml.Node) -> str:
        return f"{self._document.source}:{node.start_mark.line + 1}"


def apply_environment(
    document: Document, environ: Mapping[str, str], sections: Sequence[str]
) -> None:
    """Override values from `AIRWARDEN_SECTION__KEY…` variables, list items by their position.

    A variable counts when its first step is one of `sections` or it has a second step; others with
    the prefix are switches of the programs.
    """
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX):
            continue
        steps = variable.removeprefix(_PREFIX).split("__")
        if len(steps) == 1 and steps[0].lower() not in sections:
            continue
        _override(document, steps, variable, environ[variable])


def _override(document: Document, steps: list[str], variable: str, text: str) -> None:
    container: Any = document.data
    path: Path = ()
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        key = _key(container, step, variable)
        path = (*path, key)
        if isinstance(key, int) and key == len(container):
            container.append(None)
        if last:
            container[key] = _environment_value(text, variable)
            document.variables[path] = variable
            return
        child = container[key] if isinstance(key, int) else container.get(key)
        if not isinstance(child, dict | list):
            child = [] if steps[position + 1].isdigit() else {}
            container[key] = child
        container = child


def _key(container: Any, step: str, variable: str) -> str | int:
    if isinstance(container, list):
        if not step.isdigit() or int(step) > len(container):
            raise WrongInputError(
                f"{step!r} is not a position in a list of {len(container)}",
                place=f"environment variable {variable}",
                hint="positions count from 0",
            )
        return int(step)
    wanted = step.lower().replace("-", "_")
    for key in container:
        if key.lower().replace("-", "_") == wanted:
            return str(key)
    return step.lower() if step.isupper() else step


def _environment_value(text: str, variable: str) -> Any:
    """Keep text as it is, but read lists and mappings in YAML's flow form."""
    if text[:1] in ("[", "{"):
        try:
            return yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
        except yaml.YAMLError:
            raise WrongInputError(
                "not a list or mapping in YAML", place=f"environment variable {variable}"
            ) from None
    return EnvironmentValue(text, variable)
