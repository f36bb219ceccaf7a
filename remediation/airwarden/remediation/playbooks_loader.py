"""Reading playbooks: ours from the package, the operator's from a folder, which replace ours by name.

Everything is checked when it is read: an unknown key, action, check or rail is refused with the file,
the key and the nearest known name, and then the whole set is refused, so that what is in force was
always read as a whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from airwarden.core.durations import Duration
from airwarden.core.errors import WrongInputError
from airwarden.core.own_yaml import load_own
from airwarden.remediation.decide.correlate import LoadedPlaybook, PlaybookSet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode, effective_mode
from airwarden.remediation.playbook import ActionStep, HumanStep, Playbook, Step, UndoStep, WaitStep


@dataclass(frozen=True, slots=True)
class PlaybookChange:
    """What an operator's settings change in one playbook.

    Attributes:
        mode: What it may do; None: shadow, whatever the ceiling, until somebody names it.
        changes: Keys of the playbook to replace, nested ones merged (`{"verify": {"within": "1m"}}`);
            `steps` maps a step's id to the keys of that step to replace. `parameters` stands for
            those of the check or action.
        rails: Numbers for this playbook alone; durations as in playbooks (`10m`).
        block_on: Label sets of alerts during which it does nothing.
        override_reason: Why it may act before it has earned it.
    """

    mode: Mode | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    rails: Mapping[str, Any] = field(default_factory=dict)
    block_on: Sequence[Mapping[str, str]] = ()
    override_reason: str = ""


def load_playbooks(
    *,
    actions: Collection[str],
    checks: Collection[str],
    folder: Path | None = None,
    changes: Mapping[str, PlaybookChange] | None = None,
    ceiling: Mode = Mode.SHADOW,
    rails: Mapping[str, Any] | None = None,
    block_on: Sequence[Mapping[str, str]] = (),
    protect: Sequence[str] = (),
) -> PlaybookSet:
    """Return the set in force.

    Args:
        actions: Names of the actions there are.
        checks: Names of the checks there are.
        folder: The operator's playbooks (`*.yaml`), None for none.
        changes: By playbook name.
        ceiling: No playbook may do more than this.
        rails: Numbers that differ from the defaults for every playbook.
        block_on: Label sets of alerts during which no playbook does anything.
        protect: Patterns over target keys that are never touched.

    Raises:
        WrongInputError: Anything is wrong; the place is the file and key.
    """
    changes = changes or {}
    general = parse_rails(rails or {}, Rails(), place="remediator.rails")
    sources = {**_shipped(), **(_of_folder(folder) if folder else {})}
    loaded: dict[str, LoadedPlaybook] = {}
    for name in changes:
        if name not in sources:
            raise WrongInputError(
                f"there is no playbook {name!r}", place="playbooks", hint=_nearest(name, sources)
            )
    for name, (place, body) in sorted(sources.items()):
        change = changes.get(name, PlaybookChange())
        changed = _merged(body, {k: v for k, v in change.changes.items() if k != "steps"})
        _change_steps(changed, change.changes.get("steps") or {}, f"playbooks.{name}.steps")
        book = _validate(changed, place)
        _cross_check(book, place, actions, checks)
        loaded[name] = LoadedPlaybook(
            playbook=book,
            mode=effective_mode(ceiling, change.mode or Mode.SHADOW),
            rails=parse_rails(change.rails, general, place=f"playbooks.{name}.rails"),
            source=place,
            block_on=_label_sets(change.block_on, f"playbooks.{name}.block_on"),
            override_reason=change.override_reason,
        )
    _unambiguous(loaded)
    return PlaybookSet(
        loaded, general, _label_sets(block_on, "remediator.block_on"), tuple(protect)
    )


def _label_sets(sets: Sequence[Mapping[str, str]], place: str) -> tuple[Mapping[str, str], ...]:
    """Return the sets; an empty one would match every alert, and nothing would ever be done."""
    for index, wanted in enumerate(sets):
        if not wanted:
            raise WrongInputError(
                "names no label", place=f"{place}.{index}", hint="alertname: AirflowDatabaseDown"
            )
    return tuple(sets)


def parse_rails(values: Mapping[str, Any], base: Rails, *, place: str) -> Rails:
    """Return the rails with some numbers replaced; durations are written `90s`, `10m`, `4h`."""
    overrides: dict[str, Any] = {}
    kinds = {one.name: getattr(base, one.name) for one in fields(Rails)}
    for name, value in values.items():
        if name not in kinds:
            raise WrongInputError(
                f"there is no rail {name!r}", place=place, hint=_nearest(name, kinds)
            )
        try:
            if isinstance(kinds[name], timedelta):
                overrides[name] = _DURATION.validate_python(value)
            else:
                overrides[name] = _COUNT.validate_python(value)
        except ValidationError as error:
            raise WrongInputError(
                error.errors(include_url=False)[0]["msg"], place=f"{place}.{name}"
            ) from None
        if overrides[name] < type(overrides[name])():
            raise WrongInputError("must not be negative", place=f"{place}.{name}")
    return base.with_overrides(overrides)


_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_COUNT: TypeAdapter[int] = TypeAdapter(int)

_Source = tuple[str, Mapping[str, Any]]


def _shipped() -> dict[str, _Source]:
    folder = resources.files("airwarden.remediation").joinpath("playbooks")
    found: dict[str, _Source] = {}
    if not folder.is_dir():
        return found
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            text = file.read_text(encoding="utf-8")
            _add(found, f"playbooks/{file.name}", text, read=load_own)
    return found


def _of_folder(folder: Path) -> dict[str, _Source]:
    if not folder.is_dir():
        raise WrongInputError(f"{folder} is not a folder", place="remediator.playbooks_dir")
    found: dict[str, _Source] = {}
    for file in sorted(folder.glob("*.yaml")):
        _add(found, str(file), file.read_text(encoding="utf-8"))
    return found


def _add(
    found: dict[str, _Source],
    place: str,
    text: str,
    *,
    read: Callable[[str], Any] = yaml.safe_load,
) -> None:
    try:
        body = read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}" if mark else place
        raise WrongInputError(
            f"is not YAML: {getattr(error, 'problem', '')}", place=where
        ) from None
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise WrongInputError("a playbook is a mapping with a name", place=place)
    name = body["name"]
    if name in found:
        raise WrongInputError(
            f"playbook {name!r} is there twice: also in {found[name][0]}", place=place
        )
    found[name] = (place, body)


def _merged(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for key, value in changes.items():
        if isinstance(value, Mapping):
            if value:
                merged[key] = _changed(merged.get(key) or {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def _change_steps(
    body: dict[str, Any], changes: Mapping[str, Mapping[str, Any]], place: str
) -> None:
    """Put the changed keys into the steps, those of each remedy too."""
    lists = [body, *(r for r in body.get("remedies") or () if isinstance(r, dict))]
    known = [
        str(step["id"])
        for one in lists
        for step in one.get("steps") or ()
        if isinstance(step, dict) and "id" in step
    ]
    for name in sorted(changes):
        if name not in known:
            raise WrongInputError(
                f"there is no step {name!r}", place=place, hint=_nearest(name, known)
            )
    body["steps"] = [_changed_step(step, changes) for step in body.get("steps") or ()]
    if "remedies" in body:
        body["remedies"] = [
            {**one, "steps": [_changed_step(step, changes) for step in one.get("steps") or ()]}
            if isinstance(one, dict)
            else one
            for one in body["remedies"] or ()
        ]


def _changed(part: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part with its changed keys; `parameters` goes to the action's or check's `with`."""
    changed = {**part, **{key: value for key, value in change.items() if value is not None}}
    if parameters := changed.pop("parameters", None):
        changed["with"] = {**changed.get("with", {}), **parameters}
    return changed


def _changed_step(step: object, changes: Mapping[str, Mapping[str, Any]]) -> object:
    """Return a step with its changed keys; a step that waits gives its parameters to its check."""
    if not isinstance(step, dict) or step.get("id") not in changes:
        return step
    change = dict(changes[step["id"]])
    if "wait" in step:
        parameters = {"parameters": change.pop("parameters", None)}
        return {**_changed(step, change), "wait": _changed(step["wait"], parameters)}
    return _changed(step, change)


def _validate(body: Mapping[str, Any], place: str) -> Playbook:
    try:
        return Playbook.model_validate(dict(body))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in fault["loc"])
        known = [name for name in Playbook.model_fields if name != "kind"]
        unknown = fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1
        hint = _nearest(str(fault["loc"][-1]), known) if unknown else ""
        raise WrongInputError(fault["msg"], place=f"{place}: {path}", hint=hint) from None


def _cross_check(
    book: Playbook, place: str, actions: Collection[str], checks: Collection[str]
) -> None:
    if book.steps and book.remedies:
        raise WrongInputError("has `steps` and `remedies`: one of them only", place=place)
    known: set[str] = set()
    for at, steps in _step_lists(book, place):
        _cross_check_steps(steps, at, actions, known)
    ids = [step.id for step in book.steps]
    if book.if_over and book.if_over not in ids:
        raise WrongInputError(
            f"goes on with {book.if_over!r}, which is none of its steps",
            place=f"{place}: if-over",
            hint=_nearest(book.if_over, ids),
        )
    known_alerts = {wanted.get("alertname") for wanted in book.alerts}
    for number, one in enumerate(book.diagnosis):
        if unknown := sorted(set(one.alerts) - known_alerts):
            raise WrongInputError(
                f"diagnoses {unknown[0]!r}, which is none of its alerts",
                place=f"{place}: diagnosis.{number}.alerts",
            )
    for name, at in _checks_named(book, place):
        if name not in checks:
            raise WrongInputError(
                f"there is no check {name!r}", place=at, hint=_nearest(name, checks)
            )
    if book.ordered and book.verify is None:
        raise WrongInputError("what acts has to verify: `verify` is missing", place=place)
    if not book.ordered and not book.human_only:
        raise WrongInputError(
            "without steps it has to say why a human is needed: `human-only` is missing",
            place=place,
        )


def _step_lists(book: Playbook, place: str) -> Iterator[tuple[str, Sequence[Step]]]:
    yield f"{place}: steps", book.steps
    for number, remedy in enumerate(book.remedies):
        yield f"{place}: remedies.{number}.steps", remedy.steps


def _told_of(step: Step) -> Iterator[tuple[str, str]]:
    """Yield the other steps that a step names, each with the words for what it says of it."""
    if isinstance(step, UndoStep):
        yield "undoes", step.undo
    if isinstance(step, HumanStep):
        yield from (("asks about", one) for one in step.about)


def _cross_check_steps(
    steps: Sequence[Step], place: str, actions: Collection[str], known: set[str]
) -> None:
    """Check one list of steps; `known` collects the ids of all, which are the playbook's names."""
    earlier: set[str] = set()
    for index, step in enumerate(steps):
        at = f"{place}.{index}"
        if step.id in known:
            raise WrongInputError(f"step id {step.id!r} is there twice", place=at)
        for said, other in _told_of(step):
            if other not in earlier:
                raise WrongInputError(
                    f"{said} {other!r}, which is no earlier step",
                    place=at,
                    hint=_nearest(other, earlier),
                )
        if isinstance(step, ActionStep) and step.action not in actions:
            raise WrongInputError(
                f"there is no action {step.action!r}", place=at, hint=_nearest(step.action, actions)
            )
        earlier.add(step.id)
        known.add(step.id)


def _checks_named(book: Playbook, place: str) -> Iterator[tuple[str, str]]:
    if book.confirm:
        yield book.confirm.check, f"{place}: confirm"
    if book.verify:
        yield book.verify.check, f"{place}: verify"
    for number, wanted in enumerate(book.diagnosis):
        yield wanted.check, f"{place}: diagnosis.{number}"
    for number, remedy in enumerate(book.remedies):
        if remedy.verify:
            yield remedy.verify.check, f"{place}: remedies.{number}.verify"
    for at, steps in _step_lists(book, place):
        for index, step in enumerate(steps):
            if isinstance(step, WaitStep):
                yield step.wait.check, f"{at}.{index}"


def _unambiguous(loaded: Mapping[str, LoadedPlaybook]) -> None:
    """Two playbooks that claim the same labels would leave it to chance which one acts."""
    owners: dict[frozenset[tuple[str, str]], str] = {}
    for name, one in loaded.items():
        for wanted in one.playbook.alerts:
            key = frozenset(wanted.items())
            if key in owners:
                raise WrongInputError(
                    f"claims the same alerts as {owners[key]!r}: {dict(wanted)}", place=one.source
                )
            owners[key] = name


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known)[:20])
