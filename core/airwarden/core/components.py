"""The parts that an Airflow platform is made of."""

from __future__ import annotations

from enum import StrEnum


class Component(StrEnum):
    """The processes an Airflow platform is made of, by the names Airflow uses."""

    SCHEDULER = "scheduler"
    DAG_PROCESSOR = "dag-processor"
    TRIGGERER = "triggerer"
    API_SERVER = "api-server"
    WORKER = "worker"
