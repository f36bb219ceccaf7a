"""The playbook schema: what operators write in YAML, and what a run pins by its hash."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airwarden.core.durations import Duration


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PageWhen(StrEnum):
    """When the remediator pages for an incident that it has taken."""

    AT_ONCE = "at-once"
    UNHEALED = "unhealed"


class CheckUse(_Strict):
    """A check with its parameters."""

    check: str
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with")


class Confirm(CheckUse):
    """The fault must read true `times` times, `every` apart, before anything is done."""

    times: int = Field(default=2, ge=1, le=10)
    every: Duration = timedelta(seconds=30)


class Verify(CheckUse):
    """Healthy within `within` of the last effect, and still so for `stable`."""

    within: Duration = timedelta(minutes=5)
    stable: Duration = timedelta(minutes=5)


class Diagnosis(CheckUse):
    """Something to read for the person who is called; where it reads true, it is the likely cause."""

    alerts: tuple[str, ...] = Field(
        default=(), description="Only for incidents of these alerts; of all if empty."
    )


class ActionStep(_Strict):
    """Do something. Skipped, with its reason in the journal, where the action plans nothing."""

    id: str
    action: str
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with")
    optional: bool = Field(
        default=False, description="A refusal here does not end the run; it is recorded."
    )


class WaitStep(_Strict):
    """Wait until a check has read true for `stable`; escalate when `within` has passed."""

    id: str
    wait: CheckUse
    within: Duration
    stable: Duration = timedelta(0)
    every: Duration = timedelta(seconds=5)


class UndoStep(_Strict):
    """Take back the confirmed effects of an earlier step of this run."""

    id: str
    undo: str


class HumanStep(_Strict):
    """Something only a person can do: it is in the page, and the run waits for nobody."""

    id: str
    human: str
    about: tuple[str, ...] = Field(
        default=(),
        description="Earlier steps: nobody is asked where none of them did anything. Always asked if empty.",
    )


Step = ActionStep | WaitStep | UndoStep | HumanStep


#: After so many remedies that did not help, a person knows more than a fourth (GitHub 2012: one try).
MOST_REMEDIES = 3


class Remedy(_Strict):
    """One way to heal. The next one is tried where this has not helped in all of its attempts."""

    id: str
    steps: tuple[Step, ...] = Field(min_length=1)
    verify: Verify | None = Field(default=None, description="Instead of the playbook's.")
    attempts: int = Field(default=2, ge=1, le=5)


class Page(_Strict):
    """Whether and when PagerDuty hears of it."""

    when: PageWhen = PageWhen.UNHEALED
    after: Duration = Field(
        default=timedelta(minutes=5), description="With `unhealed`: from taking the alert."
    )


class Playbook(_Strict):
    """One playbook.

    Attributes:
        alerts: Label sets; an alert matches when every label of one of them has that value.
        correlate: Labels that name the target: same values, same incident.
        if_over: The step with which a run goes on whose fault was over before anything was done: it mends
            what the fault left. Empty: nothing is done then.
        steps: In order: the one remedy of a playbook that has no more. None of either: a page with
            the diagnosis is all (`human only, because ...`).
        remedies: Several, in the order in which they are tried; then there are no `steps`.
        human_only: Says in one sentence why there are no steps, where there are none.
        attempts: How often the one remedy of `steps` is tried.
        diagnosis: What is read once an incident is a person's, in the order in which a cause is believed.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")
    title: str
    version: int = Field(default=1, ge=1)
    description: str
    alerts: tuple[dict[str, str], ...] = Field(min_length=1)
    correlate: tuple[str, ...] = ()
    confirm: Confirm | None = None
    if_over: str = Field(
        default="",
        alias="if-over",
        description="The step to go on with where the fault is over before anything was done.",
    )
    steps: tuple[Step, ...] = ()
    remedies: tuple[Remedy, ...] = Field(default=(), max_length=MOST_REMEDIES)
    human_only: str = Field(default="", alias="human-only")
    verify: Verify | None = None
    diagnosis: tuple[Diagnosis, ...] = ()
    page: Page = Page()
    deadline: Duration = timedelta(minutes=30)
    attempts: int = Field(default=2, ge=1, le=5)
    kind: Literal["playbook"] = "playbook"

    @property
    def ordered(self) -> tuple[Remedy, ...]:
        """The remedies in the order in which they are tried; empty where only people can help."""
        if self.remedies or not self.steps:
            return self.remedies
        return (Remedy(id=self.name, steps=self.steps, attempts=self.attempts),)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of every remedy."""
        return tuple(step for remedy in self.ordered for step in remedy.steps)

    @property
    def body(self) -> str:
        """The content as JSON, for the journal.

        What came with a later version is left out where it is not used: an earlier one, beside which
        this one may run for a while, refuses keys that it does not know.
        """
        # What is read for people is no part of a run: the set in force says what that is, and where a run
        # goes on whose fault is over.
        content = self.model_dump(mode="json", by_alias=True, exclude={"diagnosis", "if_over"})
        if not self.remedies:
            del content["remedies"]
        return json.dumps(content, sort_keys=True)

    @property
    def sha256(self) -> str:
        """Hash of the content; a run pins it."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    @property
    def conduct(self) -> str:
        """Hash of what it does: its steps. What it has earned holds for these and no others."""
        steps = [step.model_dump(mode="json", by_alias=True) for step in self.steps]
        return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()

    def matches(self, labels: dict[str, str]) -> bool:
        """Return whether an alert with these labels is this playbook's."""
        return any(all(labels.get(k) == v for k, v in wanted.items()) for wanted in self.alerts)
