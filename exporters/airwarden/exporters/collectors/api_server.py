"""Whether the API server answers: Airflow 3's tasks send their heartbeats through it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.errors import AirwardenError, RejectedError
from airwarden.core.platform import Component
from airwarden.core.ports import Airflow
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, gauge


class ApiServerCollector:
    """Asks `/monitor/health`; a refusal proves that it is up, and is a failure all the same."""

    name = "api_server"
    interval = 5.0
    timeout = 10.0

    def __init__(self, airflow: Airflow, hostname: str) -> None:
        self._airflow = airflow
        self._hostname = hostname

    def collect(self) -> Sequence[Family]:
        """Return whether it is up."""
        try:
            self._airflow.health()
        except RejectedError as error:
            raise PartialCollectError(self._up(1), error) from error
        except AirwardenError as error:
            raise PartialCollectError(self._up(0), error) from error
        return self._up(1)

    def _up(self, value: int) -> list[Family]:
        return [gauge("airwarden_component_up", {(Component.API_SERVER, self._hostname): value})]
