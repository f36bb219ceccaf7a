"""What an action is: plan absolute effects, apply one, and read back whether it happened.

The engine owns everything around these calls: guards, budgets, locks, the intent that is committed
before `apply`, deadlines, and the read-back after a crash. An action owns nothing but its target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from airwarden.remediation.world import Json, Subject, World


class Danger(StrEnum):
    """How much harm an action can do if it is wrong; decides who must agree."""

    #: Reverts our own change or adds capacity: may run alone once promoted.
    A = "A"
    #: Takes down one unit: may run alone outside quiet hours.
    B = "B"
    #: Loses work or touches many: always needs a person.
    C = "C"


class ReadBack(StrEnum):
    """What the world says about an effect whose result is not known."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class Effect:
    """One absolute change of one target, complete enough to be applied by another process.

    Attributes:
        action: The action's name.
        target: Key of lock, budget and cool-down: `CLUSTER/KIND/NAME`.
        parameters: The desired state, never a delta.
        before: What was read when it was planned: old values for undo, generation for comparing.
        summary: One clause for people (`restart scheduler (pid 42, frozen)`).
        generation: Changes when the target is replaced; part of the plan's hash.
        dead: The target is proved dead already, so the effect takes nothing down.
        removes_capacity: It is a scale-down: never while another incident of the cluster is open.
    """

    action: str
    target: str
    parameters: Json
    before: Json
    summary: str
    generation: str = ""
    dead: bool = False
    removes_capacity: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in order; never empty.

    Attributes:
        evidence: What was read for it.
        more: What is left for a further plan once this one is done, in words; empty for nothing. The step
            is planned anew then.
    """

    effects: tuple[Effect, ...]
    evidence: Json = field(default_factory=dict)
    more: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing needs to be done: the target is as desired, or replaced since the alert.

    Attributes:
        more: As a plan's: what was not looked at yet.
    """

    reason: str
    evidence: Json = field(default_factory=dict)
    more: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """It must not be done now: a human hears why.

    Attributes:
        reason: One sentence, naming the cause that a human should look at.
        cause: What is really at fault, for the page's title (`metadata database slow`).
    """

    reason: str
    cause: str = ""
    evidence: Json = field(default_factory=dict)


class Action(Protocol):
    """One kind of act.

    Attributes:
        name: `process.restart`; what a playbook's step names.
        danger: See `Danger`.
        needs: Attribute names of `World` without which it cannot run.
        deadline: Seconds that one `apply` may take at most.
        decidable: Whether `read_back` can tell while nobody else changes the target: the promise that
            a crash at any instant ends healed.
        undecidable: What others may have done to the target since, after which `read_back` cannot
            tell: then a person is asked. A target that cannot be read for long is always one.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - the class tells of it
    @property
    def danger(self) -> Danger: ...  # noqa: D102 - the class tells of it
    @property
    def needs(self) -> frozenset[str]: ...  # noqa: D102 - the class tells of it
    @property
    def deadline(self) -> float: ...  # noqa: D102 - the class tells of it
    @property
    def decidable(self) -> bool: ...  # noqa: D102 - the class tells of it
    @property
    def undecidable(self) -> tuple[str, ...]: ...  # noqa: D102 - the class tells of it

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Read the live state and say what to do; changes nothing.

        Raises:
            UnavailableError: The state could not be read: no action, and a page if it stays so.
        """
        ...

    def apply(self, world: World, effect: Effect) -> Json:
        """Do it, once, and return what was observed.

        Raises:
            ConflictError: The target is no longer what was planned for; nothing was done.
            UnknownOutcomeError: It was sent, and whether it happened is not known.
            RejectedError: It was refused; nothing was done.
        """
        ...

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Tell from the live state alone whether the effect happened; changes nothing."""
        ...

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan the way back to `effect.before`, leaving alone what others changed since.

        A way back can have stages (drain, then stop; a quarter of the slots, then all): each call
        reads the live state and plans the next stage only, and it is called again until the answer
        is `Nothing`. `Refused` means not yet: it is asked again later.
        """
        ...
