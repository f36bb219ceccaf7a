"""`dag.trigger`: one run of a DAG that a playbook's author names, once for each incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.world import Json, Subject, World


class DagTrigger:
    """Start one run of a DAG, once for each incident: the run's id is made of the incident's number.

    Parameters:
        dag_id: The DAG. It is named in the playbook, so its author vouches that a run does no harm.
        conf: The run's `conf`, an object (none).
        purpose: Tells several steps of one playbook apart (`run`).

    A paused DAG is not started. A run ends by itself and is not taken back.
    """

    name = "dag.trigger"
    danger = Danger.B
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("the DAG is gone",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Look for the DAG and for the run that this incident may have started already."""
        airflow, dag_id = world.rest, str(parameters.get("dag_id", ""))
        if not dag_id:
            return Refused("the playbook names no dag_id", cause="playbook is incomplete")
        try:
            dag = airflow.dag(dag_id)
        except NotFoundError:
            return Refused(f"Airflow has no DAG {dag_id}", cause="unknown target")
        wanted = f"airwarden_{parameters.get('purpose', 'run')}__{subject.incident_id}"
        if any(run.run_id == wanted for run in airflow.dag_runs(dag_id)):
            return Nothing(f"run {wanted} of {dag_id} was started already")
        if dag.is_paused:
            return Refused(f"{dag_id} is paused: somebody wants it so", cause="DAG is paused")
        return Plan(
            (
                Effect(
                    action=self.name,
                    target=f"{world.cluster}/dagrun/{dag_id}/{wanted}",
                    parameters={
                        "dag_id": dag_id,
                        "run_id": wanted,
                        "conf": dict(parameters.get("conf") or {}),
                    },
                    before={},
                    summary=f"start a run of {dag_id}",
                ),
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Trigger the run; one that exists already is the same.

        Raises:
            ConflictError: The DAG is gone.
        """
        dag_id, wanted = str(effect.parameters["dag_id"]), str(effect.parameters["run_id"])
        try:
            run = world.rest.trigger(
                dag_id, run_id=wanted, conf=effect.parameters["conf"], note="Airwarden"
            )
        except NotFoundError as error:
            raise ConflictError(f"DAG {dag_id} is gone") from error
        except ConflictError:
            return {"run_id": wanted, "state": "exists"}
        return {"run_id": run.run_id, "state": run.state}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Look for the run by its id."""
        try:
            runs = world.rest.dag_runs(str(effect.parameters["dag_id"]))
        except NotFoundError:
            return ReadBack.UNDECIDABLE
        there = any(run.run_id == effect.parameters["run_id"] for run in runs)
        return ReadBack.DONE if there else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a run is left to end by itself."""
        del world, effect
        return Nothing("a run ends by itself")
