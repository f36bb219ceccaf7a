"""When PagerDuty hears of an incident: one fault, one page, and none for what heals in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from airwarden.core.alerts import Severity
from airwarden.remediation.playbook import Page, PageWhen

#: For alerts that no playbook knows: nobody but a human will do anything.
NO_PLAYBOOK_PAGE = Page(when=PageWhen.UNHEALED, after=timedelta(0))


class Escalation(StrEnum):
    """Why a human is called."""

    #: By design: no playbook, no steps for a machine, or shadow mode. The playbook's patience holds.
    BY_DESIGN = "by-design"
    #: A remedy was refused, blocked, failed, or did not help: nothing more will happen by itself.
    STUCK = "stuck"


def page_at(
    page: Page,
    severity: Severity,
    opened_at: datetime,
    now: datetime,
    *,
    escalation: Escalation | None = None,
    acted: bool = False,
) -> datetime | None:
    """Return when to page for an incident that is not healed by then; None for never.

    Args:
        page: The playbook's policy.
        severity: The incident's.
        opened_at: When it was taken.
        now: The present.
        escalation: Why a human is called, None while a remedy is under way.
        acted: An effect of ours was done: then a warning is worth a page too, since what is left
            behind is partly our doing.
    """
    if page.when is PageWhen.AT_ONCE:
        return opened_at
    if severity is not Severity.CRITICAL and not (escalation is Escalation.STUCK and acted):
        return None
    if escalation is Escalation.STUCK:
        return now
    return opened_at + page.after
