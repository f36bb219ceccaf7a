"""The few calls of Airflow's REST API that building and breaking the platform needs."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from localplatform.errors import PlatformError
from localplatform.layout import Platform

POOLS = (
    ("billing", 8, "protects billing-api, the external dependency"),
    ("flood", 256, "lets a flood reach the broker without taking the fleet's slots"),
    ("exports", 2, "one-off exports, which nobody waits for"),
)

REQUEST_SECONDS = 60.0
"""An API server that has just started builds its versioned schemas during its first requests."""


class AirflowApi:
    """A signed-in session as the administrator. Methods raise :class:`PlatformError`."""

    def __init__(self, platform: Platform) -> None:
        access = platform.airflow
        self._client = httpx.Client(base_url=access.url, timeout=REQUEST_SECONDS)
        answer = self._request(
            "POST",
            "/auth/token",
            json={
                "username": access.admin,
                "password": access.admin_password_file.read_text().strip(),
            },
        )
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def create_pools(self) -> None:
        """Make the pools that the fleet uses; those that exist are left as they are."""
        for name, slots, description in POOLS:
            document = {"name": name, "slots": slots, "description": description,
                        "include_deferred": False}  # fmt: skip
            self._request("POST", "/api/v2/pools", json=document, also=httpx.codes.CONFLICT)

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run of a DAG now and return its run id."""
        document = {"logical_date": None, "conf": conf}
        answer = self._request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=document)
        return str(answer.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        answer = self._request("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        return str(answer.json()["state"])

    def health(self) -> dict[str, Any]:
        """Return Airflow's own health document."""
        document: dict[str, Any] = self._request("GET", "/api/v2/monitor/health").json()
        return document

    def _request(
        self, method: str, path: str, *, json: object = None, also: int | None = None
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=json)
        except httpx.TransportError as error:
            raise PlatformError(f"Airflow's API: {method} {path}: {error}") from None
        if not answer.is_success and answer.status_code != also:
            raise PlatformError(
                f"Airflow's API: {method} {path}: {answer.status_code} {answer.text[:300]}"
            )
        return answer
