"""The remediator, composed from the settings."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import SecretStr

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.secrets import read_secret, read_secrets
from airwarden.adapters.tls import RenewedContext, TlsFiles
from airwarden.cli import composition, console, people
from airwarden.cli.causes import causes
from airwarden.cli.composition import ClusterPorts
from airwarden.cli.running import OpenPorts, changed
from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.core.ports import Chat, ChatSocket, Pager, Pages
from airwarden.core.settings import PlaybookOverride, SecretRef, Settings
from airwarden.core.settings.base import Section
from airwarden.remediation.actions.base import Action, Danger
from airwarden.remediation.actions.own import CommandSpec, WebhookSpec
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.app import Remediator
from airwarden.remediation.auditing import AuditTerms
from airwarden.remediation.breakers import guard
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.composition import Composition, RemediatorConfig, Signing
from airwarden.remediation.decide.autoscaling import ScalingPolicy, policy_of
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.memory import JournalBreakers, JournalLedger
from airwarden.remediation.journal.store import Journal, await_journal
from airwarden.remediation.notify.pagerduty import PagerDutyComposer
from airwarden.remediation.notify.slack import SlackComposer
from airwarden.remediation.notify.words import Places
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks
from airwarden.remediation.poll import PollTimes
from airwarden.remediation.retention import RetentionTerms
from airwarden.remediation.world import Dependency, WorkerFleet, World
from airwarden.rules import runbook

if TYPE_CHECKING:
    from airwarden.remediation.decide.correlate import PlaybookSet

_log = structlog.get_logger(__name__)

#: Seconds for which a start waits for its journal: a database beside it comes up in its own time.
_JOURNAL_PATIENCE = 30.0
#: While this variable holds a reason, the kill switch is set at start.
KILL_VARIABLE = "AIRWARDEN_KILL_SWITCH"
#: What a reload does not take up: sockets, tokens at the door, and what the loops were begun with.
_FIXED = (
    "remediator.listen",
    "remediator.webhook_token",
    "remediator.api_token",
    "remediator.journal",
    "remediator.kill_switch_file",
    "remediator.commands",
    "remediator.webhooks",
    "remediator.audit",
    "remediator.retention",
    "remediator.rate",
    "remediator.tls",
    "remediator.console.enabled",
    "notifications.slack.app_token",
    "alertmanager.poll_interval",
)


class RemediatorProgram:
    """The remediator with what it takes to read its settings again.

    Args:
        load: Reads the settings; raises WrongInputError.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load
        self._ports = OpenPorts("heal", ends_sessions=True)
        self.clock = SystemClock()
        settings = load()
        self._started_with = self._settings = settings
        self._config = config = remediator_config(settings)
        playbooks = playbook_set(settings)
        self._journal = await_journal(journal_url(settings), self.clock, patience=_JOURNAL_PATIENCE)
        try:
            self.remediator = Remediator(
                journal=self._journal,
                clock=self.clock,
                composition=self._compose(settings, playbooks),
                actions=site_actions(settings),
                checks=checks(),
                config=config,
                reload=self._reload,
                runbook=self._runbook,
                chat_socket=chat_socket(settings),
            )
        except BaseException:  # whatever ends the start, what is open is closed
            self._journal.close()
            raise

    def start(self) -> None:
        """Begin to take alerts and to work."""
        self.remediator.start()

    def reload(self) -> None:
        """Read the settings again; a refusal is logged and shown as a metric."""
        try:
            later = self.remediator.reload()
        except AirwardenError as error:
            _log.error("configuration refused, the old one stays in force", error=str(error))
        else:
            _log.info("configuration read again", restart_needed_for=list(later))

    def stop(self) -> None:
        """Stop and close what is open."""
        # Who waits by the clock for something outside stops waiting first.
        self.clock.stop()
        self.remediator.stop()
        self._ports.close()

    def _runbook(self, name: str) -> str:
        # Slow to import, and read only when somebody reads.
        from airwarden.cli.outputs import rule_config

        return runbook.filled(name, rule_config(self._settings))

    def _reload(self) -> Composition:
        settings = self._load()
        playbooks = playbook_set(settings)
        later = self._later(settings)
        if later:
            _log.warning("these settings take effect at the next start", keys=later)
        self._settings = settings
        return replace(self._compose(settings, playbooks), restart_for=tuple(later))

    def _later(self, settings: Settings) -> list[str]:
        """Return what changed and is not taken up, tokens whose file has new content too."""
        later = fixed_at_start(self._started_with, settings)
        now = remediator_config(settings)
        for name in ("webhook_token", "api_token"):
            key = f"remediator.{name}"
            if key not in later and getattr(now, name) != getattr(self._config, name):
                later.append(key)
        return later

    def _compose(self, settings: Settings, playbooks: PlaybookSet) -> Composition:
        ports = self._ports.renew(settings)
        worlds = {
            one.cluster.name: world(settings, one, self.clock, self._journal) for one in ports
        }
        from airwarden.adapters.slack import SlackChat

        told = chat(settings)
        return Composition(
            worlds,
            playbooks,
            *composers(settings),
            operators=people.operators(settings),
            windows=people.windows(settings, playbooks),
            alertmanager=composition.alertmanager(settings),
            pager=pager(settings),
            chat=told,
            pages=pages(settings),
            whispers=told if isinstance(told, SlackChat) else None,
            signing=signing(settings),
            acknowledged_every=_poll_interval(settings),
            chat_hours=settings.hours_of,
            console=console.terms(settings, self.clock),
        )


def fixed_at_start(before: Settings, now: Settings) -> list[str]:
    """Return the keys that have changed and that a reload does not take up."""
    later = changed(_FIXED, before, now)
    if before.alertmanager.url is None and now.alertmanager.url is not None:
        # The loop that polls it was never begun.
        later.append("alertmanager.url")
    return later


def _secret(reference: SecretRef, place: str) -> str:
    return read_secret(reference, place=place).get_secret_value()


def remediator_config(settings: Settings) -> RemediatorConfig:
    """Return how the remediator runs.

    Raises:
        WrongInputError: A token is not configured or cannot be read.
    """
    wanted = settings.remediator
    tokens: dict[str, SecretStr] = {}
    for name in ("webhook_token", "api_token"):
        reference: SecretRef | None = getattr(wanted, name)
        if reference is None:
            raise WrongInputError(
                "is missing: the remediator takes alerts and orders only with a token",
                place=f"remediator.{name}_file",
                hint="airwarden init makes one; airwarden up brings its own",
            )
        tokens[name] = read_secret(reference, place=f"remediator.{name}")
    return RemediatorConfig(
        webhook_token=tokens["webhook_token"],
        api_token=tokens["api_token"],
        host=wanted.listen.host,
        port=wanted.listen.port,
        kill_switch_file=wanted.kill_switch_file,
        stopped_at_start=os.environ.get(KILL_VARIABLE, ""),
        poll=PollTimes(every=settings.alertmanager.poll_interval.total_seconds()),
        audit=audit_terms(settings),
        retention=retention_terms(settings),
        rate=wanted.rate,
        metrics_open=wanted.metrics_token is None,
        tls=tls(settings),
    )


def journal_url(settings: Settings) -> str:
    """Return where the journal is; raises WrongInputError where the secret cannot be read."""
    return _secret(settings.remediator.journal.url, "remediator.journal.url")


def audit_terms(settings: Settings) -> AuditTerms:
    """Return when the audit is signed off; raises WrongInputError where its key cannot be read."""
    wanted = settings.remediator.audit
    key = _secret(wanted.key, "remediator.audit.key") if wanted.key is not None else ""
    return AuditTerms(
        every=wanted.checkpoint_every,
        entries=wanted.checkpoint_entries,
        file=wanted.checkpoint_file,
        key=key,
    )


def retention_terms(settings: Settings) -> RetentionTerms:
    """Return what is kept how long."""
    wanted = settings.remediator.retention
    return RetentionTerms(
        archive=wanted.archive_dir,
        incidents=wanted.incidents,
        deliveries=wanted.deliveries,
        notices=wanted.notices,
        every=wanted.every,
        batch=wanted.batch,
    )


def site_actions(settings: Settings) -> Mapping[str, Action]:
    """Return name → action: those that are shipped, and the commands and webhooks of the settings."""
    wanted = settings.remediator
    commands = [
        CommandSpec(
            name,
            one.run,
            one.needed,
            one.done,
            one.undo,
            Danger(one.danger.value),
            one.timeout.total_seconds(),
        )
        for name, one in wanted.commands.items()
    ]
    webhooks = [
        WebhookSpec(name, Danger(one.danger.value), one.timeout.total_seconds(), one.idempotent)
        for name, one in wanted.webhooks.items()
    ]
    return actions(commands, webhooks)


def playbook_set(settings: Settings) -> PlaybookSet:
    """Return the playbooks in force; raises WrongInputError where one is wrong."""
    return load_playbooks(
        actions=site_actions(settings).keys(),
        checks=checks().keys(),
        folder=settings.remediator.playbooks_dir,
        changes={name: _change(wanted) for name, wanted in settings.playbooks.items()},
        ceiling=Mode(settings.remediator.mode.value),
        rails=settings.remediator.rails,
        block_on=settings.remediator.block_on,
        protect=(*own_programs(os.environ), *settings.remediator.protect),
    )


def own_programs(environment: Mapping[str, str]) -> list[str]:
    """Return the target of the supervised program that this process is, if supervisord runs it."""
    name = environment.get("SUPERVISOR_PROCESS_NAME", "")
    group = environment.get("SUPERVISOR_GROUP_NAME", name)
    if not name:
        return []
    return [f"process/{name}" if name == group else f"process/{group}:{name}"]


def _change(wanted: PlaybookOverride) -> PlaybookChange:
    changes: dict[str, Any] = {}
    for name in ("confirm", "verify", "page", "attempts", "deadline"):
        value = getattr(wanted, name)
        if isinstance(value, Section):
            given = {key: one for key, one in value if one not in (None, {})}
            if given:
                changes[name] = given
        elif value is not None:
            changes[name] = value
    if wanted.steps:
        changes["steps"] = {name: dict(step) for name, step in wanted.steps.items()}
    mode = Mode(wanted.mode.value) if wanted.mode else None
    return PlaybookChange(
        mode=mode,
        changes=changes,
        rails=wanted.rails,
        block_on=wanted.block_on,
        override_reason=wanted.override_reason,
    )


def _scaling(settings: Settings) -> ScalingPolicy | None:
    """Return what the `auto_scaling:` block means; None for one that `airwarden check` refuses."""
    allocation = settings.resource_allocation
    if allocation is None or allocation.auto_scaling is None:
        return None
    try:
        return policy_of(allocation.auto_scaling)
    except ValueError:
        return None


def world(settings: Settings, ports: ClusterPorts, clock: SystemClock, journal: Journal) -> World:
    """Return what a remedy may reach in one cluster."""
    cluster = ports.cluster
    probes = composition.probes(settings, cluster.name)
    whole = World(
        cluster=cluster.name,
        clock=clock,
        airflow=ports.airflow,
        database=ports.database,
        session_ender=ports.session_ender,
        broker=ports.broker,
        workers=ports.workers,
        host=ports.host,
        kubernetes=ports.kubernetes,
        prometheus=composition.prometheus(settings),
        dependencies={
            one.name: Dependency(one.name, one.pools, one.tags, one.floor, probes.get(one.name))
            for one in settings.dependencies
            if settings.cluster_of(one) == cluster.name
        },
        fleet=WorkerFleet(cluster.workers.min, cluster.workers.max),
        scaling=_scaling(settings),
        breakers=JournalBreakers(journal),
        ledger=JournalLedger(journal),
        causes=causes(settings, ports),
        commands=composition.commands(settings),
        webhooks=composition.webhooks(settings),
    )
    return guard(whole)


def composers(settings: Settings) -> tuple[SlackComposer, PagerDutyComposer]:
    """Return what turns an incident into a message and into a page."""
    slack, pagerduty = settings.notifications.slack, settings.notifications.pagerduty
    default_key = ""
    if pagerduty is not None and pagerduty.routing_key is not None:
        default_key = _secret(pagerduty.routing_key, "notifications.pagerduty.routing_key")
    channels = {
        name: team.slack_channel for name, team in settings.teams.items() if team.slack_channel
    }
    keys = {
        name: _secret(team.pagerduty_key, f"teams.{name}.pagerduty_key")
        for name, team in settings.teams.items()
        if team.pagerduty_key is not None
    }
    console = settings.remediator.console.enabled
    places = Places(
        incident=f"{settings.remediator_url}/console/incidents/{{id}}" if console else "",
        airflow={one.name: one.airflow.url for one in settings.clusters},
    )
    return (
        SlackComposer(
            default_channel=slack.default_channel if slack else "",
            team_channels=channels,
            places=places,
            buttons=slack is not None and slack.has_buttons,
        ),
        PagerDutyComposer(default_key=default_key, team_keys=keys, places=places),
    )


def pager(settings: Settings) -> Pager | None:
    """Return PagerDuty's sender, None where neither a common key nor a team's is configured."""
    wanted = settings.notifications.pagerduty
    if wanted is None and not any(team.pagerduty_key for team in settings.teams.values()):
        return None
    from airwarden.adapters.pagerduty import EVENTS_URL, PagerDutyEvents

    return PagerDutyEvents(
        url=wanted.events_url if wanted else EVENTS_URL,
        client_url=settings.remediator_url,
        proxy=settings.notifications.proxy,
    )


def chat(settings: Settings) -> Chat | None:
    """Return Slack's sender: by bot token, else by webhook, which cannot update its messages."""
    wanted = settings.notifications.slack
    if wanted is None:
        return None
    from airwarden.adapters.slack import SlackChat, SlackWebhook

    if wanted.token is not None:
        token = _secret(wanted.token, "notifications.slack.token")
        return SlackChat(token, base_url=f"{wanted.base_url}/", proxy=settings.notifications.proxy)
    if wanted.webhook_url is not None:
        url = _secret(wanted.webhook_url, "notifications.slack.webhook_url")
        return SlackWebhook(url, proxy=settings.notifications.proxy)
    return None


def chat_socket(settings: Settings) -> ChatSocket | None:
    """Return the connection by which Slack tells what was pressed, None where none is configured."""
    wanted = settings.notifications.slack
    if wanted is None or wanted.app_token is None:
        return None
    from airwarden.adapters.slack_socket import SlackSocket

    token = _secret(wanted.app_token, "notifications.slack.app_token")
    return SlackSocket(token, base_url=f"{wanted.base_url}/", proxy=settings.notifications.proxy)


def pages(settings: Settings) -> Pages | None:
    """Return PagerDuty's REST API, None where no key for it is configured."""
    wanted = settings.notifications.pagerduty
    if wanted is None or wanted.rest_token is None:
        return None
    from airwarden.adapters.pagerduty_rest import PagerDutyRest

    reference, place = wanted.rest_token, "notifications.pagerduty.rest_token"
    _secret(reference, place)
    return PagerDutyRest(
        lambda: _secret(reference, place),
        url=wanted.rest_url,
        proxy=settings.notifications.proxy,
    )


def signing(settings: Settings) -> Signing:
    """Return the secrets of those who sign; raises WrongInputError where one cannot be read now."""
    slack, pagerduty = settings.notifications.slack, settings.notifications.pagerduty
    return Signing(
        pagerduty=_several(
            pagerduty.webhook_secret if pagerduty else None,
            "notifications.pagerduty.webhook_secret",
        ),
        slack=_several(
            slack.signing_secret if slack else None, "notifications.slack.signing_secret"
        ),
    )


def _several(reference: SecretRef | None, place: str) -> Callable[[], Sequence[str]] | None:
    """Return what reads a secret that may be several, one a line; while it cannot, the last ones count."""
    if reference is None:
        return None
    last = read_secrets(reference, place=place)

    def read() -> Sequence[str]:
        nonlocal last
        try:
            last = read_secrets(reference, place=place)
        except WrongInputError as error:
            _log.error("secret not read, the last one stays", error=str(error))
        return last

    return read


def tls(settings: Settings) -> Callable[[], ssl.SSLContext] | None:
    """Return what gives the TLS context for each connection; raises WrongInputError."""
    wanted = settings.remediator.tls
    if wanted is None:
        return None
    files = TlsFiles(wanted.cert_file, wanted.key_file, wanted.client_ca_file)
    return RenewedContext(files, place="remediator.tls").now


def _poll_interval(settings: Settings) -> float:
    wanted = settings.notifications.pagerduty
    return wanted.poll_interval.total_seconds() if wanted is not None else 30.0
