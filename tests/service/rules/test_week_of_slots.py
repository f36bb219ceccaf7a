"""The slots that were enough in nineteen twentieths of a week, by promtool: not before a whole week was measured."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airwarden.remediation.fitting import WEEK
from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from support.promtool import holds


def test_a_week_is_judged_once_it_was_measured(tmp_path: Path) -> None:
    config = RuleConfig(evaluation_interval=timedelta(minutes=30))
    rules = build(config)["prometheus/rules/airwarden-workers.yml"]
    (tmp_path / "rules.yml").write_text(rules)
    tasks = 'airwarden_task_instances{cluster="default", state="%s", queue="%s"}'

    def look(at: str, *samples: dict[str, object]) -> dict[str, object]:
        return {"expr": WEEK, "eval_time": at, "exp_samples": list(samples)}

    found = {"labels": f'{WEEK}{{cluster="default"}}', "value": 12}
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "30m",
        # What is recorded first is looked back over then.
        "group_eval_order": ["airwarden-workers", "airwarden-workers-slow"],
        "tests": [
            {
                "interval": "30m",
                "input_series": [
                    # Eight of the week's 336 half hours are busy: less than a twentieth.
                    {"series": tasks % ("running", "default"), "values": "8x40 80x7 8x500"},
                    {"series": tasks % ("queued", "gpu"), "values": "4x600"},
                    {"series": tasks % ("scheduled", "gpu"), "values": "99x600"},
                ],
                "promql_expr_test": [look("6d"), look("8d", found)],
            }
        ],
    }
    holds(test, tmp_path)
