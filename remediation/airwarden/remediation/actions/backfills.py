"""`backfill.pause`: hold a flood of back-filled runs, and let on only what we held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.platform import Backfill
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.floods import flooding_dag
from airwarden.remediation.world import Json, Subject, World

_OPEN = ("queued", "running")


class BackfillPause:
    """Pause backfills: the runs that they have started go on, no further one is started.

    Parameters:
        which: `flooding` (default): those of the DAG that has more than `share` of the waiting tasks;
            `all`: every backfill with open runs; `labels`: those of the DAG that the label `dag_id`
            names.
        share: Share of the waiting tasks from which a DAG counts as flooding (0.4).
        least: Tasks that have to wait at least for that (50).

    A backfill that was paused when we came is not ours, and its undo leaves it so.
    """

    name = "backfill.pause"
    danger = Danger.A
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("the backfill is over",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose the backfills that run and are meant."""
        airflow = world.rest
        dag_ids, evidence = self._dags(airflow, subject, parameters)
        running = [
            backfill
            for dag_id in dag_ids
            for backfill in airflow.backfills(dag_id)
            if not backfill.is_paused
        ]
        if not running:
            where = f" of {', '.join(dag_ids)}" if dag_ids else ""
            return Nothing(f"no backfill{where} runs", evidence)
        return Plan(tuple(self._effect(world, one, paused=True) for one in running), evidence)

    def _dags(
        self, airflow: Airflow, subject: Subject, parameters: Mapping[str, Any]
    ) -> tuple[list[str], Json]:
        which = parameters.get("which", "flooding")
        if which == "labels":
            dag_id = subject.labels.get("dag_id", "")
            return ([dag_id] if dag_id else []), {}
        if which == "all":
            runs = airflow.dag_runs(states=_OPEN, limit=1000)
            return sorted({run.dag_id for run in runs if run.run_type == "backfill"}), {}
        flood = flooding_dag(airflow, parameters)
        return ([flood.dag_id] if flood.floods else []), {"waiting": flood.sentence}

    def _effect(self, world: World, one: Backfill, *, paused: bool) -> Effect:
        verb = "pause" if paused else "unpause"
        return Effect(
            action=self.name,
            target=f"{world.cluster}/backfill/{one.id}",
            parameters={"backfill": one.id, "dag_id": one.dag_id, "paused": paused},
            before={"paused": one.is_paused},
            summary=f"{verb} backfill {one.id} of {one.dag_id}",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Set the backfill's switch.

        Raises:
            ConflictError: It is over.
        """
        number, paused = int(effect.parameters["backfill"]), bool(effect.parameters["paused"])
        try:
            world.rest.set_backfill_paused(number, paused=paused)
        except NotFoundError as error:
            raise ConflictError(f"backfill {number} is gone") from error
        return {"paused": paused}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the backfill's switch with the desired one."""
        now = _find(world, effect)
        if now is None:
            return ReadBack.UNDECIDABLE
        same = now.is_paused == effect.parameters["paused"]
        return ReadBack.DONE if same else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to unpause a backfill that we paused, if it still is."""
        number = effect.parameters["backfill"]
        if not effect.parameters["paused"] or effect.before["paused"]:
            return Nothing(f"backfill {number} was not paused by us")
        now = _find(world, effect)
        if now is None or not now.is_paused:
            return Nothing(f"backfill {number} is over, or runs already")
        return Plan((self._effect(world, now, paused=False),))


def _find(world: World, effect: Effect) -> Backfill | None:
    """Return the effect's backfill; None where it is over."""
    try:
        found = world.rest.backfills(str(effect.parameters["dag_id"]))
    except NotFoundError:
        return None
    return next((one for one in found if one.id == effect.parameters["backfill"]), None)
