"""The `airwarden.yaml` of the local platform: a real site's file, with a demo's short times.

Production defaults wait minutes before they are sure; a demo has seconds. Every difference stands
here, in the same words that an operator would use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localplatform.layout import Platform


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Airwarden's programs and the fake endpoints listen on loopback."""

    exporter: int
    remediator: int
    endpoints: int


#: Alert → threshold, in seconds where production says minutes.
THRESHOLDS = {
    "AirflowSchedulerHeartbeatLost": "> 15s for 3s",
    "AirflowSchedulerProcessDown": "for 3s",
    "AirflowSchedulerLagHigh": "> 20s for 5s",
    "AirflowSchedulerStalled": "for 20s",
    "AirflowSchedulerLockHeld": "> 5s for 3s",
    "AirflowDatabaseConnectionsCritical": "> 95% for 3s",
    "AirflowDatabaseSlow": "> 500ms for 3s",
    "AirflowDependencyDown": "for 3s",
    "AirflowTaskQueueDepthHigh": "> 25 for 5s",
    "AirflowBrokerDown": "for 3s",
    "AirflowWorkerSilent": "for 5s",
    "AirflowTeamDagFailureRateHigh": "> 20% for 5s",
    "AirflowPlatformFailsTasks": "> 20 for 3s",
    "AirflowApiServerDown": "for 3s",
    "AirflowOldestQueuedTask": "> 30s for 3s",
}
#: Alerts that have more than a threshold, or short times only for what a story breaks.
ALERTS: dict[str, dict[str, Any]] = {
    **{name: {"threshold": text} for name, text in THRESHOLDS.items()},
    "AirflowBacklogGrowing": {"hold": "3s", "over": "30s", "at_least": 40},
    "AirflowPoolStarving": {
        "overrides": [{"where": {"pool": "exports"}, "threshold": "> 0 for 5s"}]
    },
    "AirflowDatabaseIdleInTransaction": {
        "overrides": [{"where": {"application": "nightly-report"}, "threshold": "> 5s for 3s"}]
    },
}

#: What differs from production in every playbook that acts.
_QUICK = {
    "mode": "auto",
    "confirm": {"times": 2, "every": "1s"},
    "verify": {"within": "60s", "stable": "5s"},
    "page": {"after": "90s"},
}
#: Playbook → what differs beside the common part: waits and ramps of minutes become seconds.
_STEPS: dict[str, dict[str, Any]] = {
    "scheduler-restart": {},
    "component-restart": {},
    "api-server-down": {},
    "queue-scale-up": {"drained": {"stable": "5s", "every": "1s"}},
    "dependency-breaker": {
        "hold": {"parameters": {"every": 2}},
        "answers": {"stable": "3s", "every": "1s"},
        "canary-succeeds": {"every": "1s"},
    },
    "database-session": {
        "idle": {"parameters": {"idle_for": 5}, "every": "1s"},
        "lock-holder": {"parameters": {"idle_for": 5}},
        "leak": {"parameters": {"idle_for": 5}},
    },
    "broker-out": {
        "hold": {"parameters": {"every": 2}},
        "answers": {"stable": "3s", "every": "1s"},
        "workers": {"stable": "3s", "every": "1s"},
    },
    "worker-silent": {},
    "killed-tasks": {
        "database": {"stable": "2s", "every": "1s"},
        "retry": {"parameters": {"base": 2}},
    },
    "database-blocker": {"blocker": {"parameters": {"idle_for": 5}}},
    "lost-tasks": {
        "answers": {"stable": "2s", "every": "1s"},
        "requeue": {"parameters": {"hung": 20}},
    },
    "pool-starving": {"hour": {"stable": "40s", "every": "1s"}},
    "dag-flood": {"over": {"stable": "3s", "every": "1s"}},
}
#: What the checks of a playbook ask before and after.
_CHECKS: dict[str, dict[str, Any]] = {
    "database-blocker": {"confirm": {"parameters": {"idle_for": 5}}},
    "lost-tasks": {
        "confirm": {"parameters": {"older": 20}},
        "verify": {"parameters": {"older": 30}},
    },
}


def _quick(name: str) -> dict[str, Any]:
    """Return what a demo changes in a playbook."""
    checks = {part: _QUICK[part] | more for part, more in _CHECKS.get(name, {}).items()}
    steps = _STEPS[name]
    return _QUICK | checks | ({"steps": steps} if steps else {})


PLAYBOOKS = {name: _quick(name) for name in _STEPS}
#: What a demo shortens, by section.
_SHORT = {
    "prometheus": ("scrape_interval", "evaluation_interval"),
    "alertmanager": ("group_wait", "group_interval", "poll_interval"),
    "remediator": ("rails",),
}


#: The rails as in production, but for what would keep one demo from following the other: within an
#: hour the same scheduler is broken several times on purpose.
RAILS = {
    "cool_down": "1s",
    "recurrence_window": "1s",
    # Broken again and again on purpose, and mended at once, everything here flaps.
    "flap_cycles": 1000,
    "flap_percent": 100,
    "target_per_hour": 50,
    "target_per_day": 200,
    "playbook_per_hour": 100,
    "all_per_hour": 300,
    "all_per_day": 1000,
    "refusal_patience": "10s",
    "recheck": "1s",
    "verify_every": "1s",
    "backoff_base": "2s",
    "quiet_close": "5s",
}


def render(
    platform: Platform, addresses: Addresses, folder: Path, *, production: bool = False
) -> str:
    """Return the YAML text; secrets lie in files below `folder` and the platform's own.

    Args:
        platform: What is watched.
        addresses: Where Airwarden listens.
        folder: Where its secrets are.
        production: Leave the defaults as they are, but for the modes.
    """
    programs: dict[str, list[str]] = {}
    for program in platform.programs:
        if program.component in ("scheduler", "dag-processor", "triggerer", "api-server", "worker"):
            programs.setdefault(program.component, []).append(program.name)
    endpoints = f"http://127.0.0.1:{addresses.endpoints}"
    settings: dict[str, Any] = {
        "clusters": [
            {
                "name": "local",
                "airflow": {
                    "url": platform.airflow.url,
                    "auth": {
                        "username": platform.airflow.user,
                        "password_file": str(platform.airflow.password_file),
                    },
                },
                "metadata_database": {
                    "dsn_file": str(platform.postgres.observer_dsn_file),
                    "terminator_dsn_file": str(platform.postgres.terminator_dsn_file),
                },
                "broker": {"url": platform.redis.url, "queues": ["default"]},
                "workers": {"min": 2, "max": 4, "slots_per_worker": 4},
                "host": {
                    "supervisord": {
                        "url": platform.supervisord.url,
                        "username": platform.supervisord.user,
                        "password_file": str(platform.supervisord.password_file),
                        "programs": programs,
                    }
                },
            }
        ],
        "dependencies": [
            {
                "name": platform.dependency.name,
                "cluster": "local",
                "probe": {"http": f"{platform.dependency.url}/health"},
                "pools": ["billing"],
            }
        ],
        "slas": [{"asset": "warehouse_orders", "target": "1h"}],
        "teams": {"growth": {"slack_channel": "#growth"}, "finance": {"slack_channel": "#finance"}},
        "prometheus": {
            "url": platform.monitoring.prometheus_url,
            "scrape_interval": "1s",
            "evaluation_interval": "1s",
        },
        "alertmanager": {
            "url": platform.monitoring.alertmanager_url,
            "group_wait": "0s",
            "group_interval": "5s",
            "poll_interval": "5s",
        },
        "notifications": {
            "slack": {
                "token_file": str(folder / "slack.token"),
                "webhook_url_file": str(folder / "slack.webhook"),
                "base_url": f"{endpoints}/api",
            },
            "pagerduty": {
                "routing_key_file": str(folder / "pagerduty.key"),
                "events_url": f"{endpoints}/v2/enqueue",
            },
            "heartbeat": {"url": f"{endpoints}/heartbeat"},
        },
        "alerts": ALERTS,
        "exporter": {"listen": f"127.0.0.1:{addresses.exporter}"},
        "remediator": {
            "listen": f"127.0.0.1:{addresses.remediator}",
            "webhook_token_file": str(folder / "webhook.token"),
            "api_token_file": str(folder / "api.token"),
            "journal": {"url": f"sqlite:///{folder / 'journal.db'}"},
            "mode": "auto",
            "rails": RAILS,
            "kill_switch_file": str(folder / "kill-switch"),
        },
        "playbooks": PLAYBOOKS,
    }
    if production:
        settings = _at_defaults(settings)
    return yaml.safe_dump(settings, sort_keys=False)


def _at_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """Take away a demo's short times: what is left is where things are, and that playbooks may act."""
    without = {key: value for key, value in settings.items() if key != "alerts"}
    for section, names in _SHORT.items():
        without[section] = {k: v for k, v in settings[section].items() if k not in names}
    without["playbooks"] = {
        name: {"mode": "auto", "override_reason": "measured side by side"} for name in PLAYBOOKS
    }
    return without
