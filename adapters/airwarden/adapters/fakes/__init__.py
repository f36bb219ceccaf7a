"""In-memory stand-ins for the outside world: they validate what they get as the real ones do.

Tests of every part use them, and `tests/contract` holds them and the real adapters to one suite. They
are public so that people who write their own actions and playbooks can test those the same way.
"""

from __future__ import annotations

from airwarden.adapters.fakes.airflow import FakeAirflow
from airwarden.adapters.fakes.airflow_measured import FakeMeasuredAirflow
from airwarden.adapters.fakes.broker import FakeBroker
from airwarden.adapters.fakes.clock import FakeClock
from airwarden.adapters.fakes.events import FakeEvents
from airwarden.adapters.fakes.faults import Faults
from airwarden.adapters.fakes.host import FakeHost
from airwarden.adapters.fakes.kubernetes import FakeKubernetes, FakeMeasuredKubernetes
from airwarden.adapters.fakes.lease import FakeLease, LeaseRow
from airwarden.adapters.fakes.mariadb import FakeMariaDb
from airwarden.adapters.fakes.observability import FakeAlertmanager, FakePrometheus
from airwarden.adapters.fakes.pooler import FakePooler
from airwarden.adapters.fakes.probe import FakeProbe
from airwarden.adapters.fakes.statsd import FakeStatsd
from airwarden.adapters.fakes.workers import FakeWorkers

__all__ = [
    "FakeAirflow",
    "FakeAlertmanager",
    "FakeBroker",
    "FakeClock",
    "FakeEvents",
    "FakeHost",
    "FakeKubernetes",
    "FakeLease",
    "FakeMariaDb",
    "FakeMeasuredAirflow",
    "FakeMeasuredKubernetes",
    "FakePooler",
    "FakeProbe",
    "FakePrometheus",
    "FakeStatsd",
    "FakeWorkers",
    "Faults",
    "LeaseRow",
]
