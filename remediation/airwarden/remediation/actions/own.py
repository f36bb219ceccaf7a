"""Actions of a site's own: `command.NAME` and `webhook.NAME`, each as the settings list it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airwarden.core.errors import RejectedError, UnavailableError, UnknownOutcomeError
from airwarden.core.ports import Commands, Webhooks
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.world import Json, Subject, World

_LABEL = re.compile(r"\$([a-zA-Z_][a-zA-Z0-9_]*)")
_LONGEST = 256
#: Seconds that killing an overdue program, and reading its last words, may take beside its timeout.
_AROUND = 5.0
_SAID = 300


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A program that may be run, as argument vectors; see the settings."""

    name: str
    run: tuple[str, ...]
    needed: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    danger: Danger = Danger.C
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """An address that may be called; see the settings."""

    name: str
    danger: Danger = Danger.C
    timeout: float = 30.0
    idempotent: bool = False


class OwnCommand:
    """`command.NAME`: run a program that the settings list, without a shell."""

    needs = frozenset({"commands"})

    def __init__(self, spec: CommandSpec) -> None:
        self._spec = spec
        self.name = f"command.{spec.name}"
        self.danger = spec.danger
        self.deadline = spec.timeout + _AROUND
        self.decidable = bool(spec.done)
        self.undecidable: tuple[str, ...] = ()

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Put the labels in, and ask the program that tells whether it is needed."""
        del parameters
        rendered: dict[str, list[str]] = {}
        for part in ("run", "needed", "done", "undo"):
            argv = render(getattr(self._spec, part), subject.labels)
            if isinstance(argv, Refused):
                return argv
            rendered[part] = argv
        if rendered["needed"]:
            told = _commands(world).run(rendered["needed"], within=self._spec.timeout)
            if told.code == 1:
                return Nothing(f"{self.name} is not needed: {told.output[:_SAID] or 'it says'}")
            if told.code != 0:
                said = told.output[-_SAID:]
                return Refused(f"whether it is needed cannot be told (exit {told.code}): {said}")
        return Plan((self._effect(world, rendered, "run", self._about(subject)),))

    def _about(self, subject: Subject) -> str:
        """Return the values of the labels that it is run with: what tells its targets apart."""
        names = dict.fromkeys(_LABEL.findall(" ".join(self._spec.run)))
        return ",".join(subject.labels[name] for name in names)

    def _effect(
        self, world: World, rendered: Mapping[str, Sequence[str]], part: str, about: str
    ) -> Effect:
        argv = list(rendered[part])
        name = f"{self._spec.name}/{about}" if about else self._spec.name
        return Effect(
            action=self.name,
            target=f"{world.cluster}/command/{name}",
            parameters={
                "run": argv,
                "done": list(rendered["done"]) if part == "run" else [],
                "undo": list(rendered["undo"]) if part == "run" else [],
                "about": about,
            },
            before={},
            summary=f"{'run' if part == 'run' else 'take back by'} {' '.join(argv)}"[:200],
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Run it.

        Raises:
            RejectedError: It ended with another code than 0, and nothing tells what it did before.
            UnknownOutcomeError: It did not end in time, or failed and can be read back.
        """
        ended = _commands(world).run(effect.parameters["run"], within=self._spec.timeout)
        said = ended.output[-_SAID:]
        if ended.code == 0:
            return {"exit": 0, "said": said}
        error = UnknownOutcomeError if effect.parameters["done"] else RejectedError
        raise error(f"{self.name} ended with {ended.code}: {said}")

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Ask the program that tells whether it happened; without one nobody knows."""
        argv = effect.parameters["done"]
        if not argv:
            return ReadBack.UNDECIDABLE
        code = _commands(world).run(argv, within=self._spec.timeout).code
        return {0: ReadBack.DONE, 1: ReadBack.NOT_DONE}.get(code, ReadBack.UNDECIDABLE)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to run the program that takes it back, if there is one."""
        argv = effect.parameters["undo"]
        if not argv:
            return Nothing(f"{self.name} has no way back")
        rendered = {"undo": argv, "done": [], "run": []}
        return Plan((self._effect(world, rendered, "undo", str(effect.parameters["about"])),))


class OwnWebhook:
    """`webhook.NAME`: tell a system of the site's own, by a POST with an idempotency key."""

    needs = frozenset({"webhooks"})

    def __init__(self, spec: WebhookSpec) -> None:
        self._spec = spec
        self.name = f"webhook.{spec.name}"
        self.danger = spec.danger
        self.deadline = spec.timeout + _AROUND
        self.decidable = spec.idempotent
        self.undecidable: tuple[str, ...] = ()

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Put together what is said: the playbook's parameters beside the incident and its labels."""
        body = {
            "incident": subject.incident_id,
            "playbook": subject.playbook,
            "cluster": world.cluster,
            "labels": dict(subject.labels),
            "alerts": list(subject.alert_names),
            "started_at": subject.started_at.isoformat(),
            "parameters": dict(parameters),
        }
        text = json.dumps([self.name, body], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Plan(
            (
                Effect(
                    action=self.name,
                    target=f"{world.cluster}/webhook/{self._spec.name}",
                    parameters={"body": body, "key": key},
                    before={},
                    summary=f"call webhook {self._spec.name}",
                ),
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Send it once.

        Raises:
            RejectedError: It could not be sent, or was refused.
            UnknownOutcomeError: It was sent, and what came of it is not known.
        """
        try:
            status = _webhooks(world).call(
                self._spec.name, effect.parameters["body"], key=str(effect.parameters["key"])
            )
        except UnavailableError as error:
            raise RejectedError(str(error)) from None
        return {"status": status}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Answer that it may be sent again where the other side knows its key, else that nobody knows."""
        del world, effect
        return ReadBack.NOT_DONE if self._spec.idempotent else ReadBack.UNDECIDABLE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that what was said cannot be taken back."""
        del world, effect
        return Nothing("what was told cannot be taken back")


def render(argv: Sequence[str], labels: Mapping[str, str]) -> list[str] | Refused:
    """Return an argument vector with the labels put in, or why that is not safe."""
    found: list[str] = []
    for argument in argv:
        for name in _LABEL.findall(argument):
            value = labels.get(name, "")
            if not value:
                return Refused(f"the alert has no label {name}", cause="unknown target")
            if len(value) > _LONGEST or not value.isprintable() or value.startswith("-"):
                return Refused(f"label {name} is no safe argument", cause="unsafe label")
        found.append(_LABEL.sub(lambda match: labels[match.group(1)], argument))
    return found


def _commands(world: World) -> Commands:
    if world.commands is None:
        raise UnavailableError("no command is configured")
    return world.commands


def _webhooks(world: World) -> Webhooks:
    if world.webhooks is None:
        raise UnavailableError("no webhook is configured")
    return world.webhooks
