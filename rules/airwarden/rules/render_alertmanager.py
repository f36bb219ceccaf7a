"""From the installation to Alertmanager's configuration: who hears of what, and what is muted.

One fault, one voice: the remediator pages and writes to chat for what it has taken; Alertmanager does
so only for what does not go there, or where the remediator itself may be the fault.
"""

from __future__ import annotations

from typing import Any

from airwarden.core.durations import format_duration
from airwarden.core.time_intervals import WeeklyTime
from airwarden.rules.airwarden_itself import NOT_TAKEN, REMEDIATOR_DOWN
from airwarden.rules.config import PagerDutyRoute, RuleConfig, SlackRoute
from airwarden.rules.inhibition import enabled
from airwarden.rules.model import Rules
from airwarden.rules.promql import any_of, quoted
from airwarden.rules.render_prometheus import paged_directly, tls_config
from airwarden.rules.yaml_text import dump

REMEDIATOR, PAGER, CHAT, HEARTBEAT, NOBODY = "remediator", "pager", "chat", "heartbeat", "nobody"

_SUMMARY = (
    "{{ if .CommonAnnotations.summary }}{{ .CommonAnnotations.summary }}"
    "{{ else }}{{ .CommonLabels.alertname }}: {{ len .Alerts.Firing }} firing on "
    "{{ .CommonLabels.cluster }}{{ end }}"
)
#: PagerDuty takes four values and Alertmanager checks none.
_PAGER_SEVERITY = (
    '{{ if or (eq .CommonLabels.severity "critical") (eq .CommonLabels.severity "warning") '
    '(eq .CommonLabels.severity "info") }}{{ .CommonLabels.severity }}{{ else }}error{{ end }}'
)
_CHAT_TEXT = (
    "{{ range .Alerts }}{{ .Annotations.description }} "
    "<{{ .Annotations.runbook_url }}|runbook> <{{ .Annotations.dashboard_url }}|dashboard>\n"
    "{{ end }}"
)


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def alertmanager_config(rules: Rules) -> str:
    """Return `alertmanager.yml`; secrets stand in it as the paths of their files only."""
    return dump(alertmanager_document(rules))


def alertmanager_document(rules: Rules) -> dict[str, Any]:
    """Return Alertmanager's configuration as its YAML reads."""
    intervals = _time_intervals(rules.config)
    return {
        "route": _route(rules),
        "inhibit_rules": _inhibit_rules(rules),
        "receivers": _receivers(rules.config),
        **({"time_intervals": intervals} if intervals else {}),
    }


def _route(rules: Rules) -> dict[str, Any]:
    config, timing = rules.config, rules.config.timing
    routes: list[dict[str, Any]] = [
        {
            "receiver": HEARTBEAT if config.heartbeat_url else NOBODY,
            "matchers": ['alertname="Watchdog"'],
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": format_duration(timing.heartbeat_interval),
            "repeat_interval": format_duration(timing.heartbeat_interval),
        }
    ]
    if config.remediator is not None:
        # One page per untaken alert, so that a second fault is not hidden in the first one's page.
        routes.append(_page(config, f"alertname={quoted(NOT_TAKEN.name)}", ["cluster", "untaken"]))
    direct = paged_directly(rules)
    others = [name for name in direct if name != NOT_TAKEN.name]
    if others:
        # An exporter that serves five clusters is one fault.
        routes.append(_page(config, f"alertname=~{quoted(any_of(others))}", ["alertname"]))
    if config.remediator is not None:
        if config.slack and direct:
            # Made a warning by the operator. Still not for the remediator to tell: it may be dead.
            routes.append({"receiver": CHAT, "matchers": [f"alertname=~{quoted(any_of(direct))}"]})
        routes.append(
            {
                "receiver": REMEDIATOR,
                "matchers": ['severity=~"critical|warning"'],
                "group_by": ["cluster", "alertname"],
                "group_wait": format_duration(timing.remediator_group_wait),
                "group_interval": format_duration(timing.remediator_group_interval),
                "repeat_interval": format_duration(timing.remediator_repeat_interval),
            }
        )
    else:
        routes += _team_pages(config)
    routes += _chat_routes(config)
    return {
        # Whatever no route below wants, an alert without severity for one, is still seen.
        "receiver": _chat(config),
        "group_by": ["cluster", "alertname"],
        "group_wait": format_duration(timing.group_wait),
        "group_interval": format_duration(timing.group_interval),
        "repeat_interval": format_duration(timing.repeat_interval),
        "routes": routes,
    }


def _page(config: RuleConfig, matcher: str, group_by: list[str]) -> dict[str, Any]:
    return {
        "receiver": _pager(config),
        "matchers": [matcher, 'severity="critical"'],
        "group_by": group_by,
        "group_wait": format_duration(config.timing.pager_group_wait),
    }


def _team_pages(config: RuleConfig) -> list[dict[str, Any]]:
    """Without a remediator, critical alerts go to the team that owns them, or to the default."""
    pages = [
        {
            **_page(config, f"team={quoted(team.name)}", ["cluster", "alertname"]),
            "receiver": f"{PAGER}-{team.name}",
        }
        for team in config.teams
        if team.pagerduty_key_file and config.pagerduty
    ]
    return [*pages, _page(config, 'alertname!=""', ["cluster", "alertname"])]


def _chat_routes(config: RuleConfig) -> list[dict[str, Any]]:
    """Where there is a remediator, its route has taken the warnings: it tells of them in chat itself."""
    if config.slack is None:
        return []
    told = 'severity=~"warning|info"'
    common = _hours(config.slack.active, config.slack.mute)
    by_team = [
        {
            "receiver": f"{CHAT}-{team.name}" if team.slack_channel else CHAT,
            "matchers": [told, f"team={quoted(team.name)}"],
            "group_by": ["cluster", "alertname", "team"],
            **(_hours(team.active, team.mute) or common),
        }
        for team in config.teams
        if team.slack_channel or team.active or team.mute
    ]
    return [*by_team, {"receiver": CHAT, "matchers": [told], **common}]


def _hours(active: tuple[str, ...], mute: tuple[str, ...]) -> dict[str, list[str]]:
    """Return what a route says of when it tells."""
    named = (("active_time_intervals", active), ("mute_time_intervals", mute))
    return {key: list(names) for key, names in named if names}


def _time_intervals(config: RuleConfig) -> list[dict[str, Any]]:
    """Return the intervals that a route names; a remediator tells of warnings itself, in the same hours."""
    routes = [*config.teams, *((config.slack,) if config.slack else ())]
    used = {name for one in routes for name in (*one.active, *one.mute)}
    return [
        {"name": name, "time_intervals": [_weekly(one) for one in config.time_intervals[name]]}
        for name in sorted(used)
    ]


def _weekly(one: WeeklyTime) -> dict[str, Any]:
    times = {"start_time": _clock(one.begin), "end_time": _clock(one.end)}
    return {
        "times": [times],
        "weekdays": [_DAYS[day] for day in one.days],
        "location": one.timezone,
    }


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _pager(config: RuleConfig) -> str:
    return PAGER if config.pagerduty else _chat(config)


def _chat(config: RuleConfig) -> str:
    return CHAT if config.slack else NOBODY


def _inhibit_rules(rules: Rules) -> list[dict[str, Any]]:
    names = [context.name for context in rules.all()]
    written: list[dict[str, Any]] = []
    for rule in enabled(names):
        causes = f"alertname=~{quoted(any_of(rule.causes))}"
        symptoms = any_of(rule.symptoms)
        targets = [([f"alertname=~{quoted(symptoms)}"], list(rule.equal))]
        if NOT_TAKEN.name in names:
            untaken = [f"alertname={quoted(NOT_TAKEN.name)}", f"untaken=~{quoted(symptoms)}"]
            # Its own component is Airwarden: it does not carry that of what was not taken.
            targets.append((untaken, [one for one in rule.equal if one != "component"]))
        written += [
            {"source_matchers": [causes], "target_matchers": target, "equal": equal}
            for target, equal in targets
        ]
    if NOT_TAKEN.name in names:
        # The fault that nobody handles is the page; that the remediator is down is in its text.
        written.append(
            {
                "source_matchers": [f"alertname={quoted(NOT_TAKEN.name)}"],
                "target_matchers": [f"alertname={quoted(REMEDIATOR_DOWN.name)}"],
            }
        )
    return written


def _receivers(config: RuleConfig) -> list[dict[str, Any]]:
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    if config.remediator is not None:
        receivers.append({"name": REMEDIATOR, "webhook_configs": [_webhook(config)]})
    if config.heartbeat_url:
        beat = {"url": config.heartbeat_url, "send_resolved": False, "max_alerts": 1}
        receivers.append({"name": HEARTBEAT, "webhook_configs": [beat]})
    if config.pagerduty:
        default = _pagerduty(config.pagerduty, config.pagerduty.routing_key_file)
        receivers.append({"name": PAGER, "pagerduty_configs": [default]})
        if config.remediator is None:
            receivers += [
                {
                    "name": f"{PAGER}-{team.name}",
                    "pagerduty_configs": [_pagerduty(config.pagerduty, team.pagerduty_key_file)],
                }
                for team in config.teams
                if team.pagerduty_key_file
            ]
    if config.slack:
        receivers.append(
            {"name": CHAT, "slack_configs": [_slack(config.slack, config.slack.channel)]}
        )
        receivers += [
            {
                "name": f"{CHAT}-{team.name}",
                "slack_configs": [_slack(config.slack, team.slack_channel)],
            }
            for team in config.teams
            if team.slack_channel
        ]
    return receivers


def _webhook(config: RuleConfig) -> dict[str, Any]:
    remediator = config.remediator
    if remediator is None:
        raise AssertionError("no remediator, no webhook")
    webhook: dict[str, Any] = {
        "url": f"{remediator.url.rstrip('/')}/api/v1/alerts",
        "send_resolved": True,
        # A storm beyond this is counted in truncatedAlerts, and the remediator polls for the rest.
        "max_alerts": 1000,
    }
    if remediator.webhook_token_file:
        tls = tls_config(remediator.access)
        webhook["http_config"] = _bearer(remediator.webhook_token_file) | (
            {"tls_config": tls} if tls else {}
        )
    return webhook


def _bearer(token_file: str) -> dict[str, Any]:
    return {"authorization": {"type": "Bearer", "credentials_file": token_file}}


def _pagerduty(route: PagerDutyRoute, key_file: str) -> dict[str, Any]:
    return {
        "routing_key_file": key_file,
        "url": route.events_url,
        "send_resolved": True,
        "severity": _PAGER_SEVERITY,
        "description": _SUMMARY,
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.component }}",
        "group": "{{ .CommonLabels.cluster }}",
        "client": "Airwarden",
        "client_url": "{{ .CommonAnnotations.dashboard_url }}",
        "details": {
            "description": "{{ .CommonAnnotations.description }}",
            "runbook": "{{ .CommonAnnotations.runbook_url }}",
        },
    }


def _slack(route: SlackRoute, channel: str) -> dict[str, Any]:
    slack: dict[str, Any] = {
        "channel": channel,
        "send_resolved": True,
        "title": "{{ .Status | toUpper }} " + _SUMMARY,
        "title_link": "{{ .CommonAnnotations.dashboard_url }}",
        "text": _CHAT_TEXT,
        "fallback": _SUMMARY,
    }
    if route.webhook_url_file:
        return {"api_url_file": route.webhook_url_file, **slack}
    return {
        "api_url": f"{route.base_url.rstrip('/')}/chat.postMessage",
        "http_config": _bearer(route.token_file),
        **slack,
    }
