"""What stands around an effect's target: its fleet, its siblings, and what else goes on in the platform."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Effect

#: Components of which each has its own work: repaired one at a time, whatever their number.
CONTROL_PLANE = frozenset(
    {Component.SCHEDULER, Component.TRIGGERER, Component.DAG_PROCESSOR, Component.API_SERVER}
)


@dataclass(frozen=True, slots=True)
class Unit:
    """The process that an effect changes.

    Attributes:
        whole: It is a workload's name: all its processes are changed, as its own strategy does it.
    """

    component: Component
    name: str
    whole: bool = False


def unit_of(effect: Effect) -> Unit | None:
    """Return the process that an effect changes, None for a pool, a DAG, a session or the like.

    It is named as its supervisor names it; the effect's target names what stays when it is replaced.
    """
    kind, _, name = effect.target.partition("/")[2].partition("/")
    if kind not in ("process", "workload"):
        return None
    try:
        component = Component(str(effect.before.get("component", "")))
    except ValueError:
        return None
    if kind == "workload":
        return Unit(component, name, whole=True)
    return Unit(component, str(effect.before.get("process", name)))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Interchangeable units, of which the effect's target is one.

    Attributes:
        name: What they are called (`workers`).
        total: Units that are wanted: those stopped on purpose do not count.
        healthy: Units that serve and are not in repair.
        in_repair: Other units that a remedy has touched and not yet shown healthy.
        serving: The target is one of the healthy, or it is not known whether it is.
        minimum: Units that have to be left, as the operator declared.
        last_effect: When a unit that served was last taken down by a remedy, None if not lately.
    """

    name: str
    total: int
    healthy: int
    in_repair: int = 0
    serving: bool = True
    minimum: int = 0
    last_effect: datetime | None = None


@dataclass(frozen=True, slots=True)
class Siblings:
    """The other units of a component that is repaired one at a time.

    Attributes:
        in_repair: Those that another remedy has touched and not yet shown healthy; workloads, too.
        moving: Those that their supervisor starts or stops now.
        down: Those that it proves dead.
    """

    component: Component
    in_repair: Collection[str] = ()
    moving: Collection[str] = ()
    down: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """Everything beside the target itself that may forbid an effect.

    Attributes:
        fleet: None where the target is no unit of a fleet, or takes nothing from it.
        siblings: None where the target is not repaired one at a time.
        targets: How many targets the step has by now, those of its earlier plans included.
        replaced: The target is another incarnation than the one that was planned for.
        protected: The pattern by which the target is out of bounds, or empty.
        changed: What of the platform's versions has changed lately, one clause each.
        blockers: Alerts that block this playbook, one clause each.
        journal_lag: Seconds that the oldest due delivery has waited to be worked off.
        clock_offsets: Whose clock differs from this machine's, and by how many seconds.
        reverted: How often in a row the same effect on this target was confirmed lately, and then
            taken back by somebody else.
    """

    fleet: Fleet | None = None
    siblings: Siblings | None = None
    targets: int = 1
    replaced: bool = False
    protected: str = ""
    changed: Collection[str] = ()
    blockers: Collection[str] = ()
    journal_lag: float = 0.0
    clock_offsets: Collection[tuple[str, float]] = ()
    reverted: int = 0
