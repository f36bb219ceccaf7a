"""Each preset by promtool: series as the exporter gives them in, metrics of ours out, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.core.settings.mapped import Mapped
from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from airwarden.rules.mapping import mapped_rules
from airwarden.rules.presets import presets
from support.promtool import holds

CASES: dict[str, Any] = yaml.load(
    Path(__file__).with_name("presets.yaml").read_text("utf-8"), yaml.BaseLoader
)


def test_every_preset_has_its_case() -> None:
    assert CASES.keys() == presets().keys()


@pytest.mark.parametrize("name", CASES)
def test_a_preset_gives_what_the_catalogue_says(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    mapped = mapped_rules("east", [Mapped(preset=name, where=case["where"])], "mapped")
    files = build(RuleConfig(clusters=("east",), mapped=mapped))
    (tmp_path / "rules.yml").write_text(files["prometheus/rules/airwarden-mapped.yml"])
    records = sorted({rule.record for rule in mapped})
    looks = [
        {
            "expr": record,
            "eval_time": "10m",
            "exp_samples": [
                {"labels": series, "value": float(value)}
                for series, value in case["gives"].items()
                if series.partition("{")[0] == record
            ],
        }
        for record in records
    ]
    assert all(look["exp_samples"] for look in looks)
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": s, "values": v} for s, v in case["series"].items()],
                "promql_expr_test": looks,
            }
        ],
    }
    holds(test, tmp_path)
