"""What a person agrees to: the content of a plan, without its time, and how a new plan differs from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airwarden.remediation.actions.base import Effect


@dataclass(frozen=True, slots=True)
class Part:
    """One effect as a person is asked about it.

    Attributes:
        action: The action's name.
        target: The target's key.
        generation: Its incarnation: a target that was replaced is another one.
        parameters: The desired state, as JSON with sorted keys.
        summary: One clause for people; no part of the content.
    """

    action: str
    target: str
    generation: str
    parameters: str
    summary: str

    @property
    def key(self) -> str:
        """Hash of the content."""
        content = json.dumps([self.action, self.target, self.generation, self.parameters])
        return hashlib.sha256(content.encode()).hexdigest()


def part_of(effect: Effect) -> Part:
    """Return what a person is asked about an effect."""
    return Part(
        action=effect.action,
        target=effect.target,
        generation=effect.generation,
        parameters=json.dumps(dict(effect.parameters), sort_keys=True, default=str),
        summary=effect.summary,
    )


def covers(agreed: Collection[str], parts: Sequence[Part]) -> bool:
    """Return whether each part is one that a person agreed to; never for nothing agreed."""
    return bool(agreed) and all(part.key in agreed for part in parts)


def difference(before: Sequence[Part], now: Sequence[Part]) -> tuple[str, ...]:
    """Return in words how a plan differs from the one that was asked about before."""
    said: list[str] = []
    old = {(part.action, part.target): part for part in before}
    new = {(part.action, part.target): part for part in now}
    for place, part in new.items():
        earlier = old.get(place)
        if earlier is None:
            said.append(f"new: {part.summary}")
        elif earlier.key != part.key:
            said.append(f"changed: {part.summary} ({_what_changed(earlier, part)})")
    said.extend(f"no longer: {part.summary}" for place, part in old.items() if place not in new)
    if not said and [part.key for part in before] != [part.key for part in now]:
        said.append("the order is another one")
    return tuple(said)


def _what_changed(before: Part, now: Part) -> str:
    changes: list[str] = []
    if before.generation != now.generation:
        changes.append(
            f"another incarnation of the target: {before.generation or '-'} → {now.generation or '-'}"
        )
    if before.parameters != now.parameters:
        changes.append(f"{before.parameters} → {now.parameters}")
    return "; ".join(changes)
