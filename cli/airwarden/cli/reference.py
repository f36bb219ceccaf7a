"""The reference pages under `docs/reference/`, made from what they describe.

`python -m airwarden.cli.reference FOLDER` writes them (`make generate`); a test compares the committed
pages with a fresh run, so that nothing exists without its line.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from airwarden.adapters.metadata_schemas import FOLDERS, SCHEMAS, releases_of
from airwarden.cli import (
    api_reference,
    command_reference,
    event_reference,
    json_reference,
    metric_reference,
)
from airwarden.cli.doctor.coverage import by_section, wholly_lost
from airwarden.core import coverage
from airwarden.core.durations import format_duration
from airwarden.core.settings import reference as settings
from airwarden.dashboards import reference as dashboard_reference
from airwarden.exporters.failures import rules as failure_rules
from airwarden.remediation.actions.base import Action
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.playbook import (
    ActionStep,
    CheckUse,
    Diagnosis,
    HumanStep,
    PageWhen,
    Playbook,
    Step,
    UndoStep,
    WaitStep,
)
from airwarden.remediation.playbooks_loader import load_playbooks
from airwarden.rules.catalogue import SUBJECTS, resolve
from airwarden.rules.config import RemediatorRoute, RuleConfig
from airwarden.rules.left_out import LEFT_OUT, LeftOut
from airwarden.rules.model import Context, Route
from airwarden.rules.needs import alerts_resting_on

_GENERATED = "This page is generated (`make generate`); a test compares it with what it describes."
_RUNBOOKS = "../../rules/airwarden/rules/runbooks"
_TOLD = {
    Route.REMEDIATOR: "remediator",
    Route.PAGER: "PagerDuty directly",
    Route.HEARTBEAT: "heartbeat receiver",
}


def pages() -> Mapping[str, str]:
    """Return file name → content of every reference page."""
    shipped = playbooks()
    return {
        "actions.md": _actions_page(),
        "airflow-versions.md": _versions_page(),
        "alerts.md": _alerts_page(shipped),
        "commands.md": command_reference.render(),
        "configuration.md": settings.render(),
        "dashboards.md": dashboard_reference.render(),
        "events.md": event_reference.render(),
        "failure-causes.md": failure_rules.render_reference(),
        "http-api.md": api_reference.render(),
        "json.md": json_reference.render(),
        "metrics.md": metric_reference.render(),
        "playbooks.md": _playbooks_page(shipped),
        "rails.md": _rails_page(),
    }


def playbooks() -> tuple[Playbook, ...]:
    """Return the shipped playbooks by name."""
    loaded = load_playbooks(actions=actions().keys(), checks=checks().keys())
    return tuple(loaded.by_name[name].playbook for name in sorted(loaded.by_name))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a Markdown table."""
    heads = tuple(heads)
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows]


def _page(title: str, *blocks: Iterable[str]) -> str:
    lines = [f"# {title}", "", _GENERATED]
    for block in blocks:
        lines += ["", *block]
    return "\n".join(lines) + "\n"


def _alerts_page(shipped: Iterable[Playbook]) -> str:
    config = RuleConfig(
        clusters=("default",), remediator=RemediatorRoute("http://127.0.0.1:9811", "token")
    )
    rules = resolve(config)
    by_alert = {
        matcher["alertname"]: book.name
        for book in shipped
        for matcher in book.alerts
        if "alertname" in matcher
    }
    blocks: list[list[str]] = [
        [
            "The thresholds are the defaults; change them under `alerts:` in airwarden.yaml",
            "([how](../how-to/change-thresholds.md)). *Told first* says who hears of it before",
            "anybody else. Every alert also carries `cluster`, `component` and `severity`.",
        ]
    ]
    for subject in SUBJECTS:
        contexts = [c for rule in subject.alerts if (c := rules.get(rule.name))]
        rows = (_alert_row(context, by_alert) for context in contexts)
        heads = ("alert", "severity", "says", "limit", "for", "told first", "playbook")
        blocks += [[f"## {subject.name.replace('_', ' ').capitalize()}"], _table(heads, rows)]
    blocks += [
        ["## Left out, and why"],
        _table(("alert", "why", "instead"), map(_left_out, LEFT_OUT)),
    ]
    return _page("Alerts", *blocks)


def _left_out(absent: LeftOut) -> tuple[str, str, str]:
    return ", ".join(f"`{name}`" for name in absent.names), absent.reason, absent.instead


def _alert_row(context: Context, by_alert: Mapping[str, str]) -> tuple[str, ...]:
    rule = context.rule
    summary = re.sub(r"{{-?\s*(?:if|end)\b.*?}}", "", context.text(rule.summary))
    summary = re.sub(r"{{-?\s*else\b.*?}}", " or ", summary)
    summary = re.sub(r"{{\s*\$labels\.(\w+)\s*}}", r"*\1*", summary)
    book = by_alert.get(rule.name, "")
    return (
        f"[{rule.name}]({_RUNBOOKS}/{rule.name}.md)",
        str(context.severity),
        " ".join(re.sub(r"{{.*?}}", "…", summary).split()),
        context.threshold.limit if context.threshold else "–",
        format_duration(context.hold) if context.hold else "at once",
        _TOLD[rule.route],
        f"[{book}](playbooks.md#{book})" if book else "–",
    )


def _versions_page() -> str:
    """Return what is measured of which Airflow, and over REST alone."""
    rules = resolve(RuleConfig(clusters=("default",)))

    def silent(metrics: Collection[str]) -> str:
        return ", ".join(f"`{name}`" for name in alerts_resting_on(rules, metrics)) or "none"

    schemas = ((s.releases, f"`{s.revision}`", f"`sql/{s.folder}`") for s in SCHEMAS.values())
    lacking = (
        (releases_of(folder), f"`{name}`", why)
        for folder in FOLDERS
        for name, why in sorted(coverage.LACKING[folder].items())
    )
    unheard = (
        f"- Airflow {releases_of(folder)}: {silent(lost)}."
        for folder in FOLDERS
        if (lost := wholly_lost(coverage.LACKING[folder]))
    )
    rest = (
        (f"`{name}`", coverage.IN_PART_OVER_REST.get(name, "in full"))
        for name in sorted(coverage.OVER_REST)
    )
    unmeasured = (
        f"- {heading}: {', '.join(f'`{name}`' for name in names)}"
        for heading, names in by_section(coverage.LOST_WITHOUT_DATABASE)
    )
    return _page(
        "Airflow versions, and measuring without a database",
        ["## Schemas that are known"],
        [
            "The metadata database says by Alembic's revision which schema it has; an unknown one, a newer",
            "one too, is refused by name, and nothing is read from it. Each was made by the release's own",
            "migration, and every query and collector is tested on it. Airflow 2 is measured by its database",
            "alone: what acts, and what measures over REST, speaks the API of Airflow 3.",
        ],
        _table(("Airflow", "revision", "queries begin in"), schemas),
        ["What a release does not keep is absent, or there in part:"],
        _table(("Airflow", "metric", "why"), lacking),
        ["Alerts that cannot fire there:", "", *unheard],
        ["## Without a metadata database"],
        [
            "Leave out `metadata_database`, and these are measured over REST (`airflow.measure_rate` requests a",
            "second at most), runs every 30 s and the rest once a minute. Airflow keeps no index on the end of a run",
            "or a task, by which it is asked then: on a large history the database is the cheaper source.",
        ],
        _table(("metric", "over REST"), rest),
        ["Nobody measures then:", "", *unmeasured],
        [f"Alerts that cannot fire then: {silent(coverage.LOST_WITHOUT_DATABASE)}."],
    )


def _playbooks_page(shipped: Iterable[Playbook]) -> str:
    blocks = [
        [
            "Each matches alerts by their labels; no alert matches two. Times are production",
            "defaults; `playbooks: {NAME: …}` in airwarden.yaml overrides them. Every playbook starts",
            "in shadow: [promote a playbook](../how-to/promote-a-playbook.md).",
            "A critical alert whose remedy was refused or did not help pages at once; a warning pages",
            "only if something was done about it and did not help, and is in Slack otherwise.",
        ]
    ]
    for book in shipped:
        blocks += [[f"## {book.name}"], [f"**{book.title}.** {book.description.strip()}"]]
        blocks.append(_playbook_facts(book))
        for remedy in book.ordered:
            steps = (f"{n}. {_step(step)}" for n, step in enumerate(remedy.steps, 1))
            named = f"Remedy `{remedy.id}`, tried {remedy.attempts} time(s):"
            blocks.append([named if book.remedies else "Steps:", "", *steps])
    return _page("Playbooks", *blocks)


def _playbook_facts(book: Playbook) -> list[str]:
    alerts = ", ".join(
        f"`{matcher['alertname']}`"
        if set(matcher) == {"alertname"}
        else "`{" + ", ".join(f"{k}={v}" for k, v in matcher.items()) + "}`"
        for matcher in book.alerts
    )
    target = ", ".join(f"`{label}`" for label in book.correlate) or "the cluster"
    facts = [f"- Alerts: {alerts}.", f"- One incident per: {target}."]
    if book.human_only:
        facts.append(f"- For a person only, {book.human_only}.")
    if book.confirm:
        facts.append(
            f"- Confirmed by {_check(book.confirm)}, {book.confirm.times} times, "
            f"{format_duration(book.confirm.every)} apart."
        )
    if book.if_over:
        facts.append(f"- Over before anything was done: it goes on with step `{book.if_over}`.")
    if book.verify:
        facts.append(
            f"- Healed when {_check(book.verify)} within {format_duration(book.verify.within)}, "
            f"and still so for {format_duration(book.verify.stable)}."
        )
    facts += [f"- Read for whoever is called{_only(use)}: {_check(use)}." for use in book.diagnosis]
    when = (
        "at once"
        if book.page.when is PageWhen.AT_ONCE
        else f"if it is critical and not healed {format_duration(book.page.after)} after it was taken"
    )
    facts.append(f"- Pages {when}.")
    tries = ", then ".join(str(remedy.attempts) for remedy in book.ordered) or str(book.attempts)
    facts.append(f"- Attempts: {tries}; each given up after {format_duration(book.deadline)}.")
    return facts


def _only(use: Diagnosis) -> str:
    return f", for {', '.join(f'`{name}`' for name in use.alerts)}" if use.alerts else ""


def _check(use: CheckUse) -> str:
    return f"[`{use.check}`](actions.md#checks){_parameters(use.parameters)}"


def _parameters(given: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{key}: {value}' for key, value in given.items())})" if given else ""


def _step(step: Step) -> str:
    match step:
        case ActionStep():
            optional = "; a refusal does not end the run" if step.optional else ""
            named = f"[`{step.action}`](actions.md#actions){_parameters(step.parameters)}"
            return f"*{step.id}*: {named}{optional}"
        case WaitStep():
            stable = f" for {format_duration(step.stable)}" if step.stable else ""
            within = format_duration(step.within)
            return f"*{step.id}*: wait up to {within} until {_check(step.wait)}{stable}"
        case UndoStep():
            return f"*{step.id}*: take back what *{step.undo}* did"
        case HumanStep():
            about = " or ".join(f"*{one}*" for one in step.about)
            condition = f", if {about} did something" if about else ""
            return f"*{step.id}*: a person{condition}: {step.human}"


def _actions_page() -> str:
    acts = (
        (
            f"`{name}`",
            action.danger.value,
            _needs(action.needs),
            f"{action.deadline:g} s",
            _decidable(action),
            _documentation(action),
        )
        for name, action in sorted(actions().items())
    )
    questions = (
        (f"`{name}`", _needs(check.needs), _documentation(check))
        for name, check in sorted(checks().items())
    )
    heads = ("action", "danger", "needs", "deadline", "decidable", "what it does")
    return _page(
        "Actions and checks",
        [
            "What a playbook's steps may name. *Danger*: A reverts our own change or adds, B takes",
            "down one unit, C loses work or touches many and always needs a person. *Needs*: without",
            "that, the playbook becomes a page with the diagnosis. *Decidable*: whether it can be told",
            "afterwards, from the live state alone, that the effect happened: then a crash at any instant",
            "ends healed, with one effect. What others may have done since, so that it cannot be told, is",
            "named; then, and when the target cannot be read for `read_back_patience`, a person is asked.",
        ],
        ["## Actions"],
        _table(heads, acts),
        ["## Checks"],
        [
            "Live re-reads: they confirm a fault before anything is done, verify health after, and tell",
            "whoever is called what is the matter.",
        ],
        _table(("check", "needs", "asks"), questions),
    )


def _decidable(action: Action) -> str:
    unless = "; ".join(action.undecidable)
    if not action.decidable:
        return "not always"
    return f"yes, unless since then: {unless}" if unless else "yes"


def _rails_page() -> str:
    meanings = _attributes(Rails)
    defaults = Rails()
    rows = (
        (f"`{name}`", _number(getattr(defaults, name)), meanings[name])
        for name in (entry.name for entry in dataclasses.fields(Rails))
    )
    return _page(
        "Rails",
        [
            "The numbers of the [safety rails](../explanation/safety-rails.md), under `remediator.rails`",
            "for all playbooks and under `playbooks.NAME.rails` for one. A, B and C are danger classes.",
        ],
        _table(("rail", "default", "meaning"), rows),
    )


def _number(value: object) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _attributes(kind: type) -> dict[str, str]:
    """Return name → meaning from a docstring's section of attributes."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _needs(names: Iterable[str]) -> str:
    return ", ".join(sorted(name.replace("_", " ") for name in names)) or "–"


def _documentation(thing: object) -> str:
    """Return a class's docstring as one line."""
    text = inspect.getdoc(type(thing)) or ""
    return " ".join(text.split()).replace("Parameters:", "*Parameters*:")


def main(arguments: list[str]) -> int:
    """Write the pages into the folder given, and return the exit status."""
    if len(arguments) != 1:
        print("usage: python -m airwarden.cli.reference FOLDER", file=sys.stderr)
        return 2
    for name, content in pages().items():
        (Path(arguments[0]) / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
