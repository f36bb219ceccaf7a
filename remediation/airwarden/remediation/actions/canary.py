"""`canary.start`: one run of the DAG that a dependency's owner declared as its canary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Dag, DagRun
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.world import Json, Subject, World

_ENDED = ("success", "failed")


def canary_dag(world: World, subject: Subject) -> Dag | None:
    """Return the DAG tagged `canary:NAME`, the first by name if there are several."""
    name = subject.labels.get("dependency", "")
    if world.airflow is None or not name:
        return None
    found = sorted(world.airflow.dags(tags=(f"canary:{name}",)), key=lambda dag: dag.dag_id)
    return found[0] if found else None


def canary_runs(airflow: Airflow, dag_id: str, subject: Subject) -> list[DagRun]:
    """Return the canary's runs for this incident."""
    prefix = run_id(subject, "")
    return [run for run in airflow.dag_runs(dag_id) if run.run_id.startswith(prefix)]


def run_id(subject: Subject, number: int | str) -> str:
    """Return the run's id, which makes a second start of the same canary impossible."""
    return f"airwarden_canary__{subject.incident_id}__{number}"


class CanaryStart:
    """Start one canary; another only when the one before has failed.

    A dependency without a DAG tagged `canary:NAME` has no canary: then the pool's floor lets one task
    start, and the ramp that follows is the test.
    """

    name = "canary.start"
    danger = Danger.A
    needs = frozenset({"airflow"})
    deadline = 10.0
    decidable = True
    undecidable = ("the canary's DAG is gone",)

    def plan(
        self,
        world: World,
        subject: Subject,
        parameters: Mapping[str, Any],
    ) -> Plan | Nothing | Refused:
        """Choose the canary's DAG and the next free run id."""
        del parameters
        airflow, dag = world.rest, canary_dag(world, subject)
        if dag is None:
            return Nothing("no DAG is tagged as its canary")
        if dag.is_paused:
            return Refused(f"the canary {dag.dag_id} is paused", cause="canary is paused")
        runs = canary_runs(airflow, dag.dag_id, subject)
        if any(run.state not in _ENDED for run in runs):
            return Nothing("a canary is under way")
        if any(run.state == "success" for run in runs):
            return Nothing("a canary has succeeded")
        wanted = run_id(subject, len(runs) + 1)
        return Plan(
            (
                Effect(
                    action=self.name,
                    target=f"{world.cluster}/dagrun/{dag.dag_id}/{wanted}",
                    parameters={"dag_id": dag.dag_id, "run_id": wanted},
                    before={"failed_before": len(runs)},
                    summary=f"start one canary of {dag.dag_id}",
                ),
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Trigger the run; one that exists already is the same canary."""
        dag_id, wanted = str(effect.parameters["dag_id"]), str(effect.parameters["run_id"])
        try:
            run = world.rest.trigger(
                dag_id, run_id=wanted, conf={}, note="Airwarden: canary after an outage"
            )
        except ConflictError:
            return {"run_id": wanted, "state": "exists"}
        return {"run_id": run.run_id, "state": run.state}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Look for the run by its id."""
        runs = world.rest.dag_runs(str(effect.parameters["dag_id"]))
        there = any(run.run_id == effect.parameters["run_id"] for run in runs)
        return ReadBack.DONE if there else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a canary is left to end by itself."""
        del world, effect
        return Nothing("a canary ends by itself")
