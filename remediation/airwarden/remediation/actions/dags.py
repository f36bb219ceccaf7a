"""`dag.pause`: pause DAGs that rely on a dependency, or one that floods, and unpause only those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
)
from airwarden.core.platform import Dag
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.breaker import is_open
from airwarden.remediation.floods import flooding_dag
from airwarden.remediation.world import Json, Subject, World

#: DAGs that may be paused without a person's approval.
MOST = 3
_WAITING = ("scheduled", "queued", "up_for_retry", "up_for_reschedule")


def dependency_tags(world: World, subject: Subject) -> tuple[str, ...]:
    """Return the tags that mark users of the dependency that the labels name."""
    name = subject.labels.get("dependency", "")
    declared = world.dependencies.get(name)
    return (f"depends:{name}", *(declared.tags if declared else ())) if name else ()


class DagPause:
    """Pause at most three DAGs tagged `depends:NAME`, those with the most waiting tasks first.

    Parameters:
        dags: `dependency` (default): as above; `flooding`: the one DAG that has more than `share` of
            the waiting tasks; `labels`: the one that the label `dag_id` names.
        most: DAGs that are paused without approval, at most 3 (3).
        share, least: With `flooding`: the share (0.4) of at least so many waiting tasks (50).

    The pool's hold covers what lies beyond. A DAG that was paused when we came is not ours, and its
    undo leaves it so; likewise one that somebody has paused or unpaused since, which Airflow's event
    log tells where the metadata database can be read. One that relies on another dependency too, whose
    breaker is open, is unpaused after that one.
    """

    name = "dag.pause"
    danger = Danger.B
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("the DAG is gone",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose the unpaused DAGs that carry one of the dependency's tags."""
        wanted = parameters.get("dags", "dependency")
        if wanted != "dependency":
            return self._plan_one(world, subject, parameters, flooding=wanted == "flooding")
        tags = dependency_tags(world, subject)
        if not tags:
            return Nothing("the alert names no dependency")
        airflow = world.rest
        running = [dag for dag in airflow.dags(tags=tags) if not dag.is_paused and not dag.is_stale]
        if not running:
            return Nothing(f"no running DAG is tagged {' or '.join(tags)}")
        most = min(MOST, int(parameters.get("most", MOST)))
        ordered = self._busiest_first(airflow, running) if len(running) > most else running
        evidence = {"not_paused": [dag.dag_id for dag in ordered[most:]]}
        own = subject.labels.get("dependency", "")
        return Plan(
            tuple(self._effect(world, dag, own, paused=True) for dag in ordered[:most]), evidence
        )

    def _plan_one(
        self, world: World, subject: Subject, parameters: Mapping[str, Any], *, flooding: bool
    ) -> Plan | Nothing | Refused:
        """Choose the DAG that floods, or that the labels name."""
        airflow, evidence = world.rest, {}
        dag_id = subject.labels.get("dag_id", "")
        if flooding:
            flood = flooding_dag(airflow, parameters)
            evidence = {"waiting": flood.sentence}
            if not flood.floods:
                return Nothing(f"no DAG floods: {flood.sentence}", evidence)
            dag_id = flood.dag_id
        if not dag_id:
            return Refused("the alert names no dag_id", cause="unknown target")
        try:
            dag = airflow.dag(dag_id)
        except NotFoundError:
            return Refused(f"Airflow has no DAG {dag_id}", cause="unknown target")
        if dag.is_paused:
            return Nothing(f"DAG {dag_id} is paused already", evidence)
        return Plan((self._effect(world, dag, "", paused=True),), evidence)

    def _busiest_first(self, airflow: Airflow, dags: Sequence[Dag]) -> list[Dag]:
        ids = [dag.dag_id for dag in dags]
        waiting = Counter(
            task.key.dag_id for task in airflow.task_instances(states=_WAITING, dag_ids=ids)
        )
        return sorted(dags, key=lambda dag: (-waiting[dag.dag_id], dag.dag_id))

    def _effect(self, world: World, dag: Dag, own: str, *, paused: bool) -> Effect:
        verb = "pause" if paused else "unpause"
        return Effect(
            action=self.name,
            target=f"{world.cluster}/dag/{dag.dag_id}",
            parameters={"dag_id": dag.dag_id, "paused": paused},
            before={
                "paused": dag.is_paused,
                "patches": _patches(world, dag.dag_id),
                "for": own,
            },
            summary=f"{verb} DAG {dag.dag_id}",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Set the DAG's switch.

        Raises:
            ConflictError: The DAG is gone.
        """
        dag_id, paused = str(effect.parameters["dag_id"]), bool(effect.parameters["paused"])
        try:
            world.rest.set_paused(dag_id, paused=paused)
        except NotFoundError as error:
            raise ConflictError(f"DAG {dag_id} is gone") from error
        return {"paused": paused}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the DAG's switch with the desired one."""
        try:
            dag = world.rest.dag(str(effect.parameters["dag_id"]))
        except NotFoundError:
            return ReadBack.UNDECIDABLE
        same = dag.is_paused == effect.parameters["paused"]
        return ReadBack.DONE if same else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to unpause a DAG that we paused, if it still is."""
        dag_id = str(effect.parameters["dag_id"])
        if not effect.parameters["paused"] or effect.before["paused"]:
            return Nothing(f"DAG {dag_id} was not paused by us")
        try:
            dag = world.rest.dag(dag_id)
        except NotFoundError:
            return Nothing(f"DAG {dag_id} is gone")
        if not dag.is_paused:
            return Nothing(f"DAG {dag_id} runs already")
        seen, now = effect.before.get("patches"), _patches(world, dag_id)
        if seen is not None and now is None:
            return Refused(f"whether somebody switched DAG {dag_id} since cannot be read now")
        if seen is not None and now is not None and now > seen + 1:
            return Nothing(f"DAG {dag_id} was switched by somebody since: left as it is")
        own = str(effect.before.get("for", ""))
        if own and (others := _down_as_well(world, own, dag)):
            return Refused(f"DAG {dag_id} relies on {', '.join(others)} as well, still down")
        return Plan((self._effect(world, dag, own, paused=False),))


def _down_as_well(world: World, own: str, dag: Dag) -> list[str]:
    """Return the other dependencies that the DAG is tagged with and whose breakers are open."""
    return [
        one.name
        for one in world.dependencies.values()
        if one.name != own
        and {f"depends:{one.name}", *one.tags} & set(dag.tags)
        and is_open(world, one.name)
    ]


def _patches(world: World, dag_id: str) -> int | None:
    """Return how often the DAG was switched, ours included; None where that cannot be read."""
    if world.database is None:
        return None
    try:
        rows = world.database.rows("dag_patches", dag_id=dag_id)
    except AirwardenError:
        return None
    return int(rows[0]["patches"]) if rows else None
