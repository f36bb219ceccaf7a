"""`exporter:`: where it listens, who may read it, what it collects when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from airwarden.core.durations import Duration
from airwarden.core.settings.access import ClientTls, Credentials
from airwarden.core.settings.base import (
    ConfigPath,
    HttpUrl,
    ListenAddress,
    SecretRef,
    Section,
    Server,
    wrong,
)
from airwarden.core.settings.failures import Failures

#: A shorter lease would be lost to an ordinary pause of the journal.
_SHORTEST_LIFE = timedelta(seconds=3)


class CollectorOverride(Section):
    """Changes one collector, named by the key above it."""

    enabled: bool = True
    """Off leaves its metrics out."""

    interval: Duration | None = None
    """How often it collects. None keeps the collector's own."""

    timeout: Duration | None = None
    """After how long a collect counts as failed. None keeps the collector's own."""


class ExporterAuth(Credentials):
    """What a reader of `/metrics` shows: a user with a password, or a bearer token. The files are read
    anew, so that a renewed one counts at once. `/healthz` and `/readyz` stay open."""


class ExporterTls(Section):
    """HTTPS. Renewed files count from the next connection on; no restart is needed."""

    cert_file: ConfigPath
    """The certificate as PEM, its chain behind it."""

    key_file: ConfigPath
    """Its key as PEM, without a passphrase."""

    client_ca_file: ConfigPath | None = None
    """Who must have signed the certificate that each client shows (mutual TLS), those that ask `/healthz`
    too. None: clients show none."""

    prometheus: ClientTls = ClientTls.default()
    """What the generated scrape configuration says of it."""


class ExporterLease(Section):
    """Several exporters, one of them active: who is, stands in a lease in PostgreSQL."""

    secrets: ClassVar[tuple[str, ...]] = ("url",)
    addresses: ClassVar[tuple[str, ...]] = ("url",)

    url: SecretRef | None = None
    """`postgresql+psycopg://…` of the database with the lease. None: `remediator.journal.url`. Never
    Airflow's own database."""

    life: Duration = timedelta(seconds=15)
    """How long a lease lasts that nobody renews: after so long without a word of the active exporter
    another one takes over."""

    @model_validator(mode="after")
    def _not_too_short(self) -> Self:
        if self.life < _SHORTEST_LIFE:
            raise wrong("life", "a lease lasts at least 3s: a short pause must not lose it")
        return self


class Events(Section):
    """The event endpoint: what pipelines and other systems report by `POST /api/v1/events`, and
    OpenLineage clients by `POST /api/v1/lineage`; 1 MiB a request."""

    secrets: ClassVar[tuple[str, ...]] = ("token",)

    token: SecretRef
    """The bearer token that senders must show; read anew at each request."""

    rate: float = Field(default=100.0, gt=0, le=10_000)
    """Events a second that are taken over a longer time; ten seconds' worth may come at once."""

    state_file: ConfigPath = Field(default=Path("airwarden-events.db"), validate_default=True)
    """An SQLite file with the ids of events that came (an event that is sent again after a restart is
    not counted again) and the last values of gauges. Counters start at 0, as after any restart."""


class Exporter(Server):
    """`airwarden exporter`: collects in the background and serves `/metrics`."""

    listen: ListenAddress = ListenAddress(host="127.0.0.1", port=9810)
    """Where it listens. An address that other machines reach needs `auth`, or `tls` with
    `client_ca_file`."""

    allow_non_loopback: bool = False
    """Whether a credential may travel in clear, that is `listen` name an address that other machines reach
    though there is no `tls`: only where something in front of it encrypts."""

    url: HttpUrl | None = None
    """Its address as Prometheus reaches it. None: `listen`, by `https` where there is `tls`."""

    replicas: tuple[HttpUrl, ...] = ()
    """Addresses of the other exporters that share the `lease`; Prometheus scrapes all of them."""

    auth: ExporterAuth | None = None
    """Who may read `/metrics` and order a reload. None: whoever reaches the address. Taken at the start."""

    tls: ExporterTls | None = None
    """Certificate and key. None: plain HTTP. Taken at the start."""

    lease: ExporterLease | None = None
    """For two or more exporters of the same platforms, of which one is to be active. None: there is one
    exporter, and it needs no journal. Taken at the start."""

    collectors: dict[str, CollectorOverride] = Field(default_factory=dict)
    """Changes to single collectors, by name."""

    failures: Failures = Failures.default()
    """How failed task attempts get their cause."""

    max_series: int = Field(default=50_000, ge=1_000)
    """Most series of the page. A fleet of 15,000 DAGs needs under 20,000. What comes beyond is left out,
    the largest metrics first, and counted in `airwarden_series_dropped_total`. Taken at the start."""

    events: Events | None = None
    """The event endpoint; none by default."""

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        if self.listen.is_loopback:
            return self
        known = self.auth is not None or (self.tls is not None and self.tls.client_ca_file)
        if not known:
            raise wrong(
                "listen",
                f"{self.listen} is reachable from other machines, and nobody has to show who they are:"
                " bind 127.0.0.1, or give exporter.auth (username and password_file, or token_file)",
            )
        if self.tls is None and not self.allow_non_loopback:
            raise wrong(
                "listen",
                f"{self.listen} is reachable from other machines, and credential and metrics would"
                " travel in clear: give exporter.tls, or set allow_non_loopback: true when something"
                " in front of it encrypts",
            )
        return self
