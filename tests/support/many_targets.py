"""An action with many targets: for fan-out, half-done plans and switches thrown in the middle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.world import Json, Subject, World


@dataclass
class Fleet:
    """Units that are sick until they are set right; `after` is called after each effect."""

    count: int
    danger: Danger = Danger.A
    after: Callable[[str], None] = lambda _unit: None
    name: str = "fleet.mend"
    needs: frozenset[str] = frozenset()
    deadline: float = 5.0
    decidable: bool = True
    undecidable: tuple[str, ...] = ()
    mended: list[str] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    def _generation(self, unit: str) -> str:
        return str(self.generations.get(unit, 1))

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        units = [f"u{number}" for number in range(self.count)]
        left = [one for one in units if one not in self.mended and one not in self.left_out]
        if not left:
            return Nothing("all are mended")
        return Plan(
            tuple(
                Effect(
                    self.name,
                    f"{world.cluster}/unit/{unit}",
                    {"state": "mended"},
                    {},
                    f"mend {unit}",
                    generation=self._generation(unit),
                )
                for unit in left
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        unit = effect.target.rpartition("/")[2]
        if effect.generation != self._generation(unit):
            raise ConflictError(f"{unit} is another one")
        self.mended.append(unit)
        self.after(unit)
        return {}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        done = effect.target.rpartition("/")[2] in self.mended
        return ReadBack.DONE if done else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        return Nothing("what is mended stays so")
