"""The runbooks keep what they promise: equal headings, real queries, real names, today's defaults."""

from __future__ import annotations

import re
import textwrap

import promql_parser
import pytest
import typer
import yaml

from airwarden.cli.main import application
from airwarden.cli.reference import playbooks
from airwarden.core.errors import NotFoundError
from airwarden.core.metrics import metric
from airwarden.core.thresholds import Threshold, Unit, parse_threshold
from airwarden.rules import runbook
from airwarden.rules.build import build
from airwarden.rules.catalogue import ALERTS, resolve
from airwarden.rules.config import AlertOverride, RuleConfig, ServerAccess
from airwarden.rules.lint import selected_metrics
from support.repository import ROOT

HEADINGS = [
    "Meaning", "Impact", "Diagnosis", "What Airwarden does", "What you do", "Threshold", "Silence",
]  # fmt: skip
COMMANDS = set(typer.main.get_command(application()).commands)  # type: ignore[attr-defined]
PLAYBOOKS = playbooks()
RUNBOOKS = ROOT / "rules/airwarden/rules/runbooks"
_FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.S | re.M)
_ALERT = re.compile(r"\b(?:Airflow|Airwarden)[A-Z][a-z]+[A-Z]\w+")
_METRIC = re.compile(r"`(airwarden_\w+)")
#: Series that the generated rules record, those of what is usual among them.
_RECORDED = {
    recording["record"]
    for name, text in build(
        RuleConfig(
            overrides={
                name: AlertOverride(threshold=parse_threshold("3x usual"))
                for name, rule in ALERTS.items()
                if Unit.USUAL in rule.units
            }
        )
    ).items()
    if name.startswith("prometheus/rules/")
    for group in yaml.safe_load(text)["groups"]
    for recording in group["rules"]
    if "record" in recording
}
_PLAYBOOK = re.compile(r"[Pp]laybook `([\w-]+)`")
_COMMAND = re.compile(r"`airwarden ([a-z]+)[^`]*`|^ *airwarden ([a-z]+)", re.M)
_LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)[^)]*\)")
#: Metrics of Alertmanager itself, which our catalogue does not list.
_FOREIGN = {"alertmanager_notifications_failed_total"}


def blocks(name: str, language: str) -> list[str]:
    found = _FENCE.findall(runbook.read(name))
    return [textwrap.dedent(body).strip() for kind, body in found if kind == language]


@pytest.mark.parametrize("name", ["../catalogue", "./Watchdog", "Watchdog.md", "/etc/hostname", ""])
def test_only_a_runbooks_name_is_read(name: str) -> None:
    with pytest.raises(NotFoundError):
        runbook.read(name)


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_has_every_heading_with_something_below_it(name: str) -> None:
    text = runbook.read(name)
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS
    parts = re.split(r"^## .+$", text, flags=re.M)[1:]
    assert min(len(part.strip()) for part in parts) > 15


@pytest.mark.parametrize("name", ALERTS)
def test_its_queries_parse_and_ask_for_metrics_that_are_emitted(name: str) -> None:
    for query in blocks(name, "promql"):
        promql_parser.parse(query)
        for series in selected_metrics(query) - _FOREIGN - _RECORDED:
            assert metric(series).name
    for series in _METRIC.findall(runbook.read(name)):
        assert metric(series).name


@pytest.mark.parametrize("name", ALERTS)
def test_the_alerts_it_names_exist(name: str) -> None:
    assert set(_ALERT.findall(runbook.read(name))) <= set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_the_playbook_it_names_is_the_one_that_takes_the_alert(name: str) -> None:
    named = set(_PLAYBOOK.findall(runbook.read(name)))
    assert named <= {book.name for book in PLAYBOOKS}
    assert {book.name for book in PLAYBOOKS if book.matches({"alertname": name})} <= named


@pytest.mark.parametrize("name", ALERTS)
def test_the_commands_and_pages_that_it_names_exist(name: str) -> None:
    text = runbook.read(name)
    named = {one or other for one, other in _COMMAND.findall(text)}
    assert named <= COMMANDS
    for link in _LINK.findall(text):
        assert link.startswith("https://") or (RUNBOOKS / link).exists(), link


@pytest.mark.parametrize("name", ALERTS)
def test_the_threshold_it_shows_is_todays_default_in_the_settings_own_words(name: str) -> None:
    (snippet,) = blocks(name, "yaml")
    shown = yaml.safe_load(snippet)["alerts"]
    assert list(shown) == [name]
    context = resolve(RuleConfig()).get(name)
    assert context is not None
    words = dict(shown[name])
    if words.pop("enabled", None):
        return
    written = parse_threshold(words.pop("threshold"))
    limit = context.threshold
    expected = (
        Threshold(limit.operator, limit.value, limit.unit, context.hold)
        if limit
        else Threshold(None, written.value, Unit.NONE, context.hold)
    )
    assert written == expected
    if "over" in words:
        assert parse_threshold(f"for {words.pop('over')}").window == context.over
    if "at_least" in words:
        assert words.pop("at_least") == context.at_least
    assert words == {}
    resolve(RuleConfig(overrides={name: AlertOverride(threshold=written)}))


def test_what_is_built_names_the_installations_own_addresses() -> None:
    config = RuleConfig(
        clusters=("prod",),
        exporters=("exporter.example.com:9810",),
        exporter_access=ServerAccess(https=True),
        alertmanagers=("https://alerts.example.com/am/",),
    )
    files = build(config)
    silence = files["runbooks/AirflowBrokerDown.md"]
    assert (
        "amtool silence add --alertmanager.url=https://alerts.example.com/am "
        "alertname=AirflowBrokerDown cluster=prod --duration=2h"
    ) in silence
    exporter = files["runbooks/AirflowExporterDown.md"]
    assert "curl -s https://exporter.example.com:9810/healthz" in exporter
    for path, text in files.items():
        if path.startswith("runbooks/"):
            assert "127.0.0.1:9093" not in text
            assert "cluster=default" not in text


@pytest.mark.parametrize("name", ALERTS)
def test_its_commands_can_be_copied(name: str) -> None:
    """Without the address amtool refuses to do anything."""
    for command in re.findall(r"amtool [a-z]+ [a-z]+ [^`\n]+", runbook.read(name)):
        assert "--alertmanager.url=http" in command
