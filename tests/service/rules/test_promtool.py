"""Every alert in promtool's virtual time: silent one evaluation before, firing with every label and
annotation, and a twin that must not fire."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.cli import outputs
from airwarden.core.durations import format_duration
from airwarden.core.settings import parse
from airwarden.rules.build import build
from airwarden.rules.catalogue import ALERTS, SUBJECTS
from airwarden.rules.config import RuleConfig
from airwarden.rules.render_prometheus import DASHBOARDS, OVERVIEW
from support.promtool import promtool, written_test

CASES = Path(__file__).parent / "cases"
CHANGED = Path(__file__).parent / "changed.yaml"
ALWAYS_FIRES = "Watchdog"
#: Burn rates look at hours: every minute is enough, and a quarter of the work.
EVALUATED = {"slo": timedelta(minutes=1)}
#: Which rule files a file of cases needs beside its own subject's.
RULES_OF = {
    "scheduler": ("components", "scheduler"),
    "workers": ("components", "workers"),
    "airwarden": ("airwarden", "database", "dependencies"),
}


@cache
def load_cases() -> tuple[dict[str, Any], ...]:
    return tuple(
        # Everything stays a string: YAML would read promtool's `0x60` as a number.
        {"file": file.stem, **case}
        for file in sorted(CASES.glob("*.yaml"))
        for case in yaml.load(file.read_text("utf-8"), yaml.BaseLoader)
    )


def scraped(series: str) -> str:
    """Add the labels that a scrape and the exporter add to every series."""
    name, labels = re.fullmatch(r"([\w:]+)\{(.*)\}", series).groups()  # type: ignore[union-attr]
    added = {"cluster": "default", "instance": "127.0.0.1:9810", "job": "airwarden-exporter"}
    if name == "up":
        del added["cluster"]
    missing = [f'{key}="{value}"' for key, value in added.items() if f"{key}=" not in labels]
    return f"{name}{{{', '.join(filter(None, [labels, *missing]))}}}"


def expected(alert: str, fires: dict[str, Any]) -> dict[str, Any]:
    shown_on = DASHBOARDS.get(ALERTS[alert].component, OVERVIEW)
    return {
        "exp_labels": {"cluster": "default", **fires["labels"]},
        "exp_annotations": {
            "summary": fires["summary"],
            "description": fires["description"],
            "runbook_url": f"http://127.0.0.1:9811/runbooks/{alert}.md",
            "dashboard_url": f"http://127.0.0.1:3000/d/{shown_on}?var-cluster=default",
        },
    }


def promtool_test(case: dict[str, Any], interval: str = "15s") -> dict[str, Any]:
    alert = case["alert"]
    looks = [
        {"eval_time": at, "alertname": alert, "exp_alerts": []} for at in case.get("silent_at", ())
    ]
    if "fires_at" in case:
        looks.append(
            {
                "eval_time": case["fires_at"],
                "alertname": alert,
                "exp_alerts": [expected(alert, fires) for fires in case["fires"]],
            }
        )
    return {
        "interval": interval,
        "name": f"{case['file']}: {alert} {case.get('but') or case.get('when') or ''}",
        "input_series": [
            {"series": scraped(series), "values": values}
            for series, values in case["series"].items()
        ],
        "alert_rule_test": looks,
    }


def write_changed(folder: Path, number: int, changed: dict[str, Any]) -> None:
    """Write the rules that settings give, and their cases, for the same run of promtool."""
    settings = parse(changed["settings"], source=CHANGED.name, environ={})
    name = f"airwarden-{changed['subject']}.yml"
    rules = f"changed-{number}-{name}"
    config = RuleConfig(overrides=outputs.alert_overrides(settings))
    text = build(config)[f"prometheus/rules/{name}"]
    (folder / rules).write_text(text, encoding="utf-8")
    cases = [{"file": CHANGED.stem, **case} for case in changed["cases"]]
    tests = {
        "rule_files": [rules],
        "evaluation_interval": changed["interval"],
        # As they stand, or promtool takes them in any order, and a step is a quarter of an hour here.
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": [promtool_test(case, changed["interval"]) for case in cases],
    }
    written_test(tests, folder / f"test-changed-{number}.yml")


@pytest.mark.timeout(300)
def test_every_alert_fires_when_it_must_and_only_then(tmp_path: Path) -> None:
    for path, text in build(RuleConfig()).items():
        if path.startswith("prometheus/rules/"):
            (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
    for name, interval in EVALUATED.items():
        config = RuleConfig(evaluation_interval=interval)
        text = build(config)[f"prometheus/rules/airwarden-{name}.yml"]
        (tmp_path / f"airwarden-{name}.yml").write_text(text, encoding="utf-8")
    for subject in SUBJECTS:
        tests = {
            "rule_files": [f"airwarden-{name}.yml" for name in RULES_OF.get(subject.name, ())]
            or [f"airwarden-{subject.name}.yml"],
            "evaluation_interval": format_duration(
                EVALUATED.get(subject.name, timedelta(seconds=15))
            ),
            # The count of unwell processes, which the other groups look at.
            "group_eval_order": ["airwarden-components"],
            "tests": [promtool_test(case) for case in load_cases() if case["file"] == subject.name],
        }
        written_test(tests, tmp_path / f"test-{subject.name}.yml")
    for number, changed in enumerate(yaml.load(CHANGED.read_text("utf-8"), yaml.BaseLoader)):
        write_changed(tmp_path, number, changed)
    promtool("test", "rules", *sorted(tmp_path.glob("test-*.yml")), seconds=250)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_firing_case_a_minute_before_and_a_twin(alert: str) -> None:
    cases = [case for case in load_cases() if case["alert"] == alert]
    assert any(case.get("fires") for case in cases)
    if alert != ALWAYS_FIRES:
        assert any("fires" in case and case.get("silent_at") for case in cases)
        assert any("but" in case and "fires" not in case and case["silent_at"] for case in cases)
