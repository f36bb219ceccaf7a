"""The listener for Airflow's side, loaded without Airflow: what it imports of it is a stand-in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from airwarden.exporters.failures.reports import Reported, read_report

FILE = Path(str(resources.files("airwarden.cli.airflow_side") / "airwarden_listener.py"))


@contextmanager
def listener(options: Mapping[str, str] = {}) -> Iterator[ModuleType]:
    """Load the file anew, with these options of the section `airwarden`."""

    class Conf:
        def get(self, section: str, name: str, fallback: str) -> str:
            assert section == "airwarden"
            return options.get(name, fallback)

    stands_in = {
        "airflow": ModuleType("airflow"),
        "airflow.configuration": SimpleNamespace(conf=Conf()),
        "airflow.listeners": SimpleNamespace(hookimpl=lambda function: function),
        "airflow.plugins_manager": SimpleNamespace(AirflowPlugin=object),
    }
    before = {name: sys.modules.get(name) for name in stands_in}
    sys.modules.update(stands_in)  # type: ignore[arg-type]
    try:
        spec = importlib.util.spec_from_file_location("airwarden_listener_under_test", FILE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        for name, one in before.items():
            if one is None:
                del sys.modules[name]
            else:
                sys.modules[name] = one


def instance(task: object = None, **values: Any) -> SimpleNamespace:
    """Return what Airflow hands to a listener."""
    known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1}
    return SimpleNamespace(**{**known, **values}, task=task)


def reported(error: BaseException, task: object = None) -> Reported:
    """Return what the exporter understands of what the listener tells of an exception."""
    import json

    with listener() as module:
        return read_report(json.dumps(module.report(instance(task), error)).encode())
