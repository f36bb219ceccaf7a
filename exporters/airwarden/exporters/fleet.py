"""All DAGs of a cluster as they were last read, with what several collectors want to know of them.

Worked out once for each reading of the DAGs, and not in each collect: a walk over fifteen thousand takes
as long as most queries do, and holds up every other thread meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airwarden.exporters.labels import DagLabels

CRITICAL = "critical"


@dataclass(frozen=True)
class Fleet:
    """The DAGs that are not stale; nothing of it is changed.

    Attributes:
        dags: Every one, by `dag_id`.
    """

    dags: Mapping[str, DagLabels] = field(default_factory=dict)

    @cached_property
    def work(self) -> Mapping[str, DagLabels]:
        """Those that are no canaries of ours."""
        return {id_: dag for id_, dag in self.dags.items() if not dag.canary}

    @cached_property
    def kinds(self) -> frozenset[tuple[str, str, str]]:
        """Each type, tier and team that such a DAG has."""
        return frozenset((dag.type, dag.tier, dag.team) for dag in self.work.values())

    @cached_property
    def owners(self) -> frozenset[tuple[str, str]]:
        """Each tier and team that any DAG has."""
        return frozenset((dag.tier, dag.team) for dag in self.dags.values())

    @cached_property
    def teams(self) -> frozenset[str]:
        """Each team that any DAG has."""
        return frozenset(team for _, team in self.owners)

    @cached_property
    def canaries(self) -> Mapping[str, DagLabels]:
        """The canaries that are not paused."""
        return {id_: dag for id_, dag in self.dags.items() if dag.canary and not dag.paused}

    @cached_property
    def critical(self) -> tuple[str, ...]:
        """Those of the critical tier, by name, canaries left out."""
        return tuple(sorted(id_ for id_, dag in self.work.items() if dag.tier == CRITICAL))

    @cached_property
    def with_purpose(self) -> Mapping[str, DagLabels]:
        """Those whose tags say what their runs are worth."""
        return {id_: dag for id_, dag in self.dags.items() if dag.purpose}

    @cached_property
    def with_sla(self) -> Mapping[str, str]:
        """What the tag `sla:` says of those that have one."""
        return {id_: dag.sla for id_, dag in self.dags.items() if dag.sla}
