"""`remediator:` and `playbooks:`: the remediator and what it may do alone."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from airwarden.core.durations import Duration
from airwarden.core.settings import keeping
from airwarden.core.settings.access import ClientTls
from airwarden.core.settings.base import (
    ConfigPath,
    HttpUrl,
    ListenAddress,
    SecretRef,
    Section,
    Server,
    resolve_path,
    wrong,
)
from airwarden.core.settings.console import Console
from airwarden.core.settings.own_actions import OwnCommand, OwnWebhook
from airwarden.core.settings.people import Operator

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Mode(StrEnum):
    """What a playbook may do, from nothing to everything; the lowest of all that apply wins."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


class Journal(Section):
    """Where the remediator keeps what it knows and did."""

    secrets: ClassVar[tuple[str, ...]] = ("url",)
    addresses: ClassVar[tuple[str, ...]] = ("url",)

    url: SecretRef = Field(
        default=SecretRef(literal="sqlite:///airwarden-journal.db"), validate_default=True
    )
    """`sqlite:///PATH` for one remediator, `postgresql+psycopg://…` for several replicas. A relative
    SQLite path starts at the folder of this file. Never Airflow's own database: what repairs must
    not depend on what it repairs."""

    @field_validator("url")
    @classmethod
    def _absolute(cls, url: SecretRef, info: ValidationInfo) -> SecretRef:
        prefix = "sqlite:///"
        if not url.literal or not url.literal.startswith(prefix):
            return url
        path = resolve_path(Path(url.literal.removeprefix(prefix)), info)
        return SecretRef(literal=f"{prefix}{path}")


class RemediatorTls(Section):
    """HTTPS. Renewed files count from the next connection on; no restart is needed."""

    cert_file: ConfigPath
    """The certificate as PEM, its chain behind it."""

    key_file: ConfigPath
    """Its key as PEM, without a passphrase."""

    client_ca_file: ConfigPath | None = None
    """Who must have signed the certificate that each client shows (mutual TLS), beside its token: then no
    Slack and no PagerDuty reaches it directly. None: clients show none."""

    clients: ClientTls = ClientTls.default()
    """How Prometheus, Alertmanager and the operators' commands check it, and what they show of themselves."""


class Remediator(Server):
    """`airwarden remediator`: takes alerts and runs playbooks."""

    secrets: ClassVar[tuple[str, ...]] = ("webhook_token", "api_token", "metrics_token")

    listen: ListenAddress = ListenAddress(host="127.0.0.1", port=9811)
    """Where it listens. An address that other machines reach needs `metrics_token` and `tls`."""

    allow_non_loopback: bool = False
    """Whether tokens may travel in clear, that is `listen` name an address that other machines reach though
    there is no `tls`: only where something in front of it encrypts."""

    url: HttpUrl | None = None
    """Its address as Alertmanager, Prometheus and operators reach it. None: `listen`, by `https` where
    there is `tls`."""

    tls: RemediatorTls | None = None
    """Certificate and key. None: plain HTTP. Taken at the start."""

    webhook_token: SecretRef | None = None
    """Bearer token that Alertmanager must show to deliver alerts. Required to start."""

    api_token: SecretRef | None = None
    """Bearer token of operators. Required to start."""

    metrics_token: SecretRef | None = None
    """Bearer token that Prometheus shows for `/metrics`; it opens nothing but what a viewer sees. None:
    whoever reaches the address reads the metrics, which only loopback allows."""

    rate: float = Field(default=100.0, ge=1, le=10_000)
    """Requests of one operator a second, over a longer time; ten seconds' worth may come at once. Alerts
    and probes do not count. Taken at the start."""

    operators: dict[str, Operator] = Field(default_factory=dict)
    """People and pipelines with tokens of their own, by name; `api_token` stays the common one, whose
    users give a name that nothing proves."""

    approvers: tuple[str, ...] = ()
    """Groups whose members may approve plans. None: every person with a token may."""

    admins: tuple[str, ...] = ()
    """Groups whose members may let a playbook act before it has earned it. None: every person may."""

    console: Console = Console.default()
    """The console."""

    journal: Journal = Journal.default()
    """The journal."""

    audit: keeping.Audit = keeping.Audit.default()
    """The audit and its checkpoints."""

    retention: keeping.Retention = keeping.Retention.default()
    """What is taken out of the journal, and when."""

    mode: Mode = Mode.SHADOW
    """The most that any playbook may do. `shadow` plans and records what it would do, and does
    nothing: a fresh install acts on nothing until an operator raises this."""

    kill_switch_file: ConfigPath | None = None
    """While this file exists nothing is done. Works without the API and over restarts."""

    playbooks_dir: ConfigPath | None = None
    """A folder with playbooks of yours; one with the name of a shipped playbook replaces it."""

    rails: dict[str, int | float | str] = Field(default_factory=dict)
    """Numbers of the safety rails (budgets, cool-down, concurrency) that differ from the defaults;
    `airwarden check` names the known ones."""

    block_on: tuple[dict[str, str], ...] = ()
    """Alerts during which nothing is done in their cluster: a list of label sets, for example
    `[{alertname: NodePressure}]`. An alert blocks when it is active, not silenced, and every label of
    one set has that value. It may come from any rule that reaches the same Alertmanager."""

    commands: dict[str, OwnCommand] = Field(default_factory=dict)
    """Programs on this machine that playbooks may run as `command.NAME`; no other is ever run."""

    webhooks: dict[str, OwnWebhook] = Field(default_factory=dict)
    """Systems of yours that playbooks may call as `webhook.NAME`; no other is ever called."""

    @field_validator("commands", "webhooks")
    @classmethod
    def _plain_names(cls, value: dict[str, object]) -> dict[str, object]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r}: small letters, digits and - only, at most 40")
        return value

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        if self.listen.is_loopback:
            return self
        if self.metrics_token is None:
            raise wrong(
                "listen",
                f"{self.listen} is reachable from other machines, and /metrics asks nobody who they are:"
                " bind 127.0.0.1, or give remediator.metrics_token_file",
            )
        if self.tls is None and not self.allow_non_loopback:
            raise wrong(
                "listen",
                f"{self.listen} is reachable from other machines, and tokens would travel in clear: give"
                " remediator.tls, or set allow_non_loopback: true when something in front of it encrypts",
            )
        return self

    protect: tuple[str, ...] = ()
    """Targets that are never touched, as patterns over their keys without the cluster:
    `process/legacy-*`, `pool/payments`, `db-application/reporting`. Airwarden's own processes and
    sessions are always out of bounds."""


#: What actions and checks take.
Parameters = dict[str, bool | int | float | str | list[float]]


class ConfirmOverride(Section):
    """Changes how a fault is confirmed before acting."""

    parameters: Parameters = Field(default_factory=dict)
    """Parameters of its check to replace."""

    times: int | None = Field(default=None, ge=1, le=10)
    """How often the fault must read true."""

    every: Duration | None = None
    """Time between two reads."""


class VerifyOverride(Section):
    """Changes how healing is verified."""

    parameters: Parameters = Field(default_factory=dict)
    """Parameters of its check to replace."""

    within: Duration | None = None
    """How long after the last effect it must be healthy."""

    stable: Duration | None = None
    """How long it must stay healthy."""


class PageOverride(Section):
    """Changes when PagerDuty hears of it."""

    when: str | None = Field(default=None, pattern="^(at-once|unhealed)$")
    """`at-once`, or `unhealed`: only if it is not healed `after` being taken."""

    after: Duration | None = None
    """With `unhealed`: how long to wait."""


class StepOverride(Section):
    """Changes one step of a playbook, named by the step's id above it."""

    parameters: Parameters = Field(default_factory=dict)
    """Parameters of its action or check to replace."""

    within: Duration | None = None
    """For a step that waits: how long at most."""

    stable: Duration | None = None
    """For a step that waits: how long the check must stay true."""

    every: Duration | None = None
    """For a step that waits: time between two reads."""


class PlaybookOverride(Section):
    """Changes one playbook, named by the key above it."""

    mode: Mode | None = None
    """What it may do; never more than `remediator.mode`. None: `shadow`, so that raising
    `remediator.mode` lets nothing act that nobody named."""

    override_reason: str = Field(default="", max_length=500)
    """Why it may act (`mode: approve` or `auto`) before it has earned it in shadow; goes into the audit,
    and is shown by `airwarden scorecard`."""

    confirm: ConfirmOverride = ConfirmOverride.default()
    """How the fault is confirmed."""

    verify: VerifyOverride = VerifyOverride.default()
    """How healing is verified."""

    page: PageOverride = PageOverride.default()
    """When a person is paged."""

    attempts: int | None = Field(default=None, ge=1, le=5)
    """Most tries of one remedy in one incident."""

    deadline: Duration | None = None
    """How long a run may take before a person is told."""

    steps: dict[str, StepOverride] = Field(default_factory=dict)
    """Changes to single steps, by the step's id."""

    rails: dict[str, int | float | str] = Field(default_factory=dict)
    """Safety rails of this playbook alone."""

    block_on: tuple[dict[str, str], ...] = ()
    """Alerts during which this playbook does nothing, beside those of `remediator.block_on`."""


#: How long a command of an operator waits for the remediator.
OPERATOR_TIMEOUT = timedelta(seconds=10)
