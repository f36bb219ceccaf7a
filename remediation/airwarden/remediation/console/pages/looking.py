"""Pages that are only looked at: the audit, and the configuration as it is loaded."""

from __future__ import annotations

import yaml

from airwarden.remediation.console import reads
from airwarden.remediation.console.desk import Pages
from airwarden.remediation.console.web import Answer, Asked
from airwarden.remediation.journal import audit

_PAGE = 50


class Looking(Pages):
    """The audit and the configuration."""

    def audit(self, asked: Asked) -> Answer:
        """Answer `/audit`."""
        before, about = asked.text("before", 16), asked.text("about", 512)
        people = asked.text("people", 3) == "yes"
        with self.desk.parts.journal.read() as tx:
            found = reads.audit_page(
                tx,
                before=int(before) if before.isascii() and before.isdigit() else 0,
                about=about,
                people=people,
                limit=_PAGE + 1,
            )
            return self.page(
                asked,
                "audit.html",
                tx,
                title="Audit",
                entries=found[:_PAGE],
                more=found[_PAGE - 1].seq if len(found) > _PAGE else 0,
                about=about,
                people=people,
                head=audit.head(tx),
            )

    def configuration(self, asked: Asked) -> Answer:
        """Answer `/configuration`."""
        shown = self.desk.terms().shown
        sections = [
            (name, yaml.safe_dump({name: body}, sort_keys=False, allow_unicode=True, width=96))
            for name, body in shown.items()
        ]
        with self.desk.parts.journal.read() as tx:
            return self.page(
                asked,
                "configuration.html",
                tx,
                title="Configuration",
                sections=sections,
                later=self.desk.later(),
            )
