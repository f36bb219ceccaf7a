"""What is recorded every minute for dashboards counts what the exporter's series count."""

from __future__ import annotations

from pathlib import Path

from airwarden.dashboards.queries import counted, mean_asset_age, recorded_quantile
from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from support.dashboards import filled_in
from support.promtool import holds

_RUN = 'cluster="default",run_type="{run}",state="{state}",team="{team}",tier="high",type="etl"'
_DELAY = "airwarden_dag_run_schedule_delay_seconds_bucket"
_BUCKET = 'cluster="default",team="{team}",tier="high",le="{le}"'
_ASSET = 'cluster="default",asset="{asset}"'
_OWNED = f'{_ASSET},team="growth",tier="high"'
RUNS = "cluster_state_team_tier:airwarden_dag_runs_finished:per_minute"
DELAYS = f"cluster_le_team_tier:{_DELAY}:per_minute"
TIERS = f"cluster_le_tier:{_DELAY}:per_minute"
TYPES = "cluster_run_type_state_tier_type:airwarden_dag_runs_finished:per_minute"
AGES = "asset_cluster_team_tier:airwarden_asset_age:ratio"


def _series() -> list[dict[str, str]]:
    runs = "airwarden_dag_runs_finished_total"
    update, sla = (
        "airwarden_asset_last_update_timestamp_seconds",
        "airwarden_asset_freshness_sla_seconds",
    )
    values = {
        # Four a minute, half of them by hand; the exporter is restarted after forty minutes.
        f"{runs}{{{_RUN.format(run='scheduled', state='success', team='growth')}}}": "0+0.5x160 0+0.5x320",
        f"{runs}{{{_RUN.format(run='manual', state='success', team='growth')}}}": "0+0.5x160 0+0.5x320",
        f"{runs}{{{_RUN.format(run='scheduled', state='failed', team='risk')}}}": "0+0.25x480",
        # Half of the runs start within a second, all within three.
        f"{_DELAY}{{{_BUCKET.format(team='growth', le='1.0')}}}": "0+1x480",
        f"{_DELAY}{{{_BUCKET.format(team='growth', le='3.0')}}}": "0+2x480",
        f"{_DELAY}{{{_BUCKET.format(team='growth', le='+Inf')}}}": "0+2x480",
        f"{update}{{{_OWNED.format(asset='late')}}}": "0x480",
        f"{update}{{{_OWNED.format(asset='new')}}}": "3600x480",
        f"{update}{{{_OWNED.format(asset='promised nothing')}}}": "3600x480",
        f"{sla}{{{_ASSET.format(asset='late')}}}": "3600x480",
        f"{sla}{{{_ASSET.format(asset='new')}}}": "7200x480",
    }
    return [{"series": series, "values": value} for series, value in values.items()]


def _asks(expr: str, **samples: float) -> dict[str, object]:
    return {
        "expr": filled_in(expr),
        "eval_time": "90m30s",  # as Prometheus: rules are evaluated between the points that a panel asks for
        "exp_samples": [
            {"labels": labels if labels.startswith("{") else "{}", "value": value}
            for labels, value in samples.items()
        ],
    }


def test_what_is_recorded_every_minute_counts_what_the_series_count(tmp_path: Path) -> None:
    for path, text in build(RuleConfig()).items():
        if path.startswith("prometheus/rules/"):
            (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
    names = ("pipelines", "lateness", "data")
    good = RUNS + '{state="success"}'
    tests = {
        "rule_files": [f"airwarden-{name}.yml" for name in names],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "15s",
                "input_series": _series(),
                "promql_expr_test": [
                    # Within a hundredth of what there were: ranges end between two scrapes.
                    _asks(
                        f"round({counted(good, by='team', over='1h')} / 240, 0.01)",
                        **{'{team="growth"}': 1},
                    ),
                    _asks(
                        f"round({counted(RUNS, by='team', over='30m')} / 30, 0.01)",
                        **{'{team="growth"}': 4, '{team="risk"}': 1},
                    ),
                    _asks(
                        f"round({counted(TYPES, by='run_type', over='30m')} / 30, 0.01)",
                        **{'{run_type="scheduled"}': 3, '{run_type="manual"}': 2},
                    ),
                    _asks(f"round({recorded_quantile(0.75, DELAYS, over='1h')}, 0.01)", found=2),
                    _asks(
                        f"round({recorded_quantile(0.75, TIERS, by='tier', over='1h')}, 0.01)",
                        **{'{tier="high"}': 2},
                    ),
                    _asks(
                        f"round({AGES}, 0.01)",
                        **{
                            "{" + _OWNED.format(asset="late") + "}": 1.5,
                            "{" + _OWNED.format(asset="new") + "}": 0.25,
                        },
                    ),
                    _asks(mean_asset_age(), mean=(5400 + 1800 + 1800) / 3),
                ],
            }
        ],
    }
    holds(tests, tmp_path)
