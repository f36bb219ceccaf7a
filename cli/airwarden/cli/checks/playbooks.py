"""The playbooks in force with these settings, and whether every alert has one."""

from __future__ import annotations

from collections.abc import Iterator

from airwarden.cli import people
from airwarden.cli.checks.finding import Finding, Level
from airwarden.cli.outputs import rule_config
from airwarden.cli.remediating import playbook_set
from airwarden.core.settings import Settings
from airwarden.rules.catalogue import resolve
from airwarden.rules.model import Route


def check_playbooks(settings: Settings) -> Iterator[Finding]:
    """Yield alerts that reach the remediator and that no playbook takes.

    Raises:
        WrongInputError: A playbook is wrong, or an override names none.
    """
    books = playbook_set(settings)
    people.windows(settings, books)
    named = {
        labels["alertname"]
        for loaded in books.by_name.values()
        for labels in loaded.playbook.alerts
        if "alertname" in labels
    }
    for context in resolve(rule_config(settings)).all():
        if context.rule.route is Route.REMEDIATOR and context.name not in named:
            yield Finding(
                f"alerts.{context.name}",
                Level.WARNING,
                "no playbook takes this alert: it is escalated to people at once",
                "write one into remediator.playbooks_dir",
            )
