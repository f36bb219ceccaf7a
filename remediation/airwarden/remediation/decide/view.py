"""Everything a message, a page or a list row may say about one incident, as one frozen value.

The engine builds it inside the transaction that changes the incident and stores it as JSON in the
outbox; `notify` turns it into a chat message or a pager event when it is sent. It carries no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter

from airwarden.core.alerts import AlertStatus, Severity
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert of the incident; `runbook_url` and `dashboard_url` are its annotations' or empty."""

    name: str
    status: AlertStatus
    severity: Severity
    starts_at: datetime
    labels: Mapping[str, str]
    summary: str = ""
    description: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""


@dataclass(frozen=True, slots=True)
class EffectView:
    """One effect that was done, tried, or (in shadow) would have been done.

    Attributes:
        state: Where its last attempt stands; None for one that shadow mode only planned.
        summary: One clause: `restart scheduler (pid 42, frozen)`.
        undo: It takes back an earlier effect.
        error: Why it failed, or empty.
    """

    action: str
    target: str
    summary: str
    state: AttemptState | None
    at: datetime
    undo: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """A plan that waits for a person.

    Attributes:
        plan: The first characters of the plan's hash, to tell one plan from another.
        nonce: Names this very request; it is good for one decision.
        effects: What would be done, in order.
        changed: How it differs from what was asked before; empty for the first time.
    """

    plan: str
    nonce: str
    effects: tuple[str, ...]
    changed: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AheadView:
    """Something that is still to come: when (null for no set time), and what."""

    at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One sentence of the incident's story."""

    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident at one moment.

    Attributes:
        incident_id: The number operators type.
        dedup_key: PagerDuty's deduplication key; the same until the incident is over.
        cluster: Which Airflow.
        playbook: Name of the playbook, or empty where none matches.
        title: What broke, in a few words: the playbook's title, else the alert's summary.
        severity: The highest of its alerts.
        state: See `IncidentState`.
        mode: The effective mode that the decision was made in.
        opened_at: When it was taken.
        updated_at: When it last changed.
        ended_at: When it was resolved or closed.
        labels: The labels that all its alerts share.
        alerts: Its alerts, firing ones first, at most 50.
        alerts_total: How many there are in all.
        team: The `team` label that all share, or empty.
        reason: Why it is in this state: why nothing is done, why a human is called, how it ended.
        cause: What is really at fault where the engine knows it (`metadata database slow`).
        effects: What was done, or would be done in shadow, in order.
        shadow: True where `effects` holds what would have been done.
        human_steps: What only a person can do.
        evidence: What was read, for the human: short strings by name.
        timeline: The latest sentences, oldest first, at most 20.
        recurrence: How often it came back within the recurrence window.
        paged: A page for it has been written to the outbox.
        owner: Who acknowledged it, or empty.
        approval_expires_at: Until when an approval is awaited, None when none is.
        healed_by_itself: It ended healthy and no effect of ours was done.
        approval: The plan that a person is asked about, None when none is.
        decision: What a person said of the last plan, who and when, or empty.
        ahead: What is done next, and when a person is called.
        affected: Who is affected, as measured when a message is sent; empty elsewhere.
        started_at: Since when the fault is seen: the first firing alert's start.
    """

    incident_id: str
    dedup_key: str
    cluster: str
    playbook: str
    title: str
    severity: Severity
    state: IncidentState
    mode: Mode
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[AlertView, ...] = ()
    alerts_total: int = 0
    team: str = ""
    reason: str = ""
    cause: str = ""
    effects: tuple[EffectView, ...] = ()
    shadow: bool = False
    human_steps: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[TimelineEntry, ...] = ()
    recurrence: int = 0
    paged: bool = False
    owner: str = ""
    approval_expires_at: datetime | None = None
    healed_by_itself: bool = False
    approval: ApprovalView | None = None
    decision: str = ""
    ahead: tuple[AheadView, ...] = ()
    affected: tuple[str, ...] = ()
    started_at: datetime | None = None

    def to_json(self) -> str:
        """Return it as JSON, for the outbox and the API."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> IncidentView:
        """Read what `to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[IncidentView] = TypeAdapter(IncidentView)
