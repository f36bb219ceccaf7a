"""What a terabyte costs, by promtool: from reported cost and bytes, and from nothing else."""

from __future__ import annotations

from pathlib import Path

from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from support.promtool import holds

RECORD = "cluster_team:airwarden_pipeline_cost_dollars:per_terabyte1d"


def test_cost_per_terabyte_of_a_day(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(build(RuleConfig())["prometheus/rules/airwarden-data.yml"])

    def series(name: str, team: str, direction: str = "") -> str:
        more = f', direction="{direction}"' if direction else ""
        return f'airwarden_pipeline_{name}{{cluster="default", team="{team}"{more}}}'

    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "5m",
                "input_series": [
                    {"series": series("cost_dollars_total", "a"), "values": "0+12x400"},
                    {"series": series("bytes_total", "a", "read"), "values": "0+750000000000x400"},
                    {"series": series("bytes_total", "a", "write"), "values": "0+250000000000x400"},
                    {"series": series("cost_dollars_total", "b"), "values": "0+12x400"},
                    {"series": series("bytes_total", "b", "read"), "values": "7x400"},
                ],
                "promql_expr_test": [
                    {
                        "expr": f"round({RECORD}, 0.001)",
                        "eval_time": "30h",
                        "exp_samples": [
                            {"labels": '{cluster="default", team="a"}', "value": 12},
                        ],
                    }
                ],
            }
        ],
    }
    holds(test, tmp_path)
