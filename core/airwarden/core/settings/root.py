"""The whole settings file, and what must hold between its sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from airwarden.core.settings import alerting
from airwarden.core.settings.base import Section, wrong
from airwarden.core.settings.business import Business, BusinessQuery
from airwarden.core.settings.clusters import Cluster
from airwarden.core.settings.exporting import Exporter
from airwarden.core.settings.hours import Intervals
from airwarden.core.settings.normal import Normal
from airwarden.core.settings.objectives import Objective, ObjectiveName
from airwarden.core.settings.people import Window
from airwarden.core.settings.pipelines import Dependency, Sla, Team
from airwarden.core.settings.programs import PlaybookOverride, Remediator
from airwarden.core.time_intervals import TellingHours, WeeklyTime


class Settings(Section):
    """`airwarden.yaml`."""

    clusters: tuple[Cluster, ...] = ()
    """The Airflow platforms. `airwarden build` works without; the other programs need one."""

    dependencies: tuple[Dependency, ...] = ()
    """External systems that DAGs rely on."""

    slas: tuple[Sla, ...] = ()
    """Promises about data; also given by DAG tags `sla:1h`. Paused DAGs never alert."""

    teams: dict[str, Team] = Field(default_factory=dict)
    """Teams by the name that the DAG tag `team:NAME` carries."""

    time_intervals: dict[str, Intervals] = Field(default_factory=dict)
    """Hours of the week by name, for those who want to hear of warnings in some of them only."""

    business: Business = Business.default()
    """What pipelines are worth and deliver."""

    alerts: dict[str, alerting.AlertOverride] = Field(default_factory=dict)
    """Changes to generated alerts, by alert name (`AirflowSchedulerLagHigh`)."""

    objectives: dict[ObjectiveName, Objective] = Field(default_factory=dict)
    """Changes to the objectives (SLOs), by name (`task-success`)."""

    monitoring_framework: alerting.MonitoringFramework | None = None
    """Thresholds in the operators' words. `alerts` wins where both speak of one alert."""

    normal: Normal = Normal.default()
    """What is normal on this platform; `airwarden check` names thresholds that lie within it."""

    resource_allocation: alerting.ResourceAllocation | None = None
    """Priority classes and scaling thresholds in the operators' words."""

    prometheus: alerting.Prometheus = alerting.Prometheus.default()
    """The Prometheus that evaluates our rules."""

    alertmanager: alerting.Alertmanager = alerting.Alertmanager.default()
    """The Alertmanager that routes alerts."""

    notifications: alerting.Notifications = alerting.Notifications.default()
    """Slack, PagerDuty and the dead man's switch."""

    links: alerting.Links = alerting.Links.default()
    """Addresses of runbooks and dashboards."""

    dashboards: alerting.Dashboards = alerting.Dashboards.default()
    """The generated dashboards."""

    exporter: Exporter = Exporter.default()
    """The exporter."""

    remediator: Remediator = Remediator.default()
    """The remediator."""

    windows: tuple[Window, ...] = ()
    """Maintenance, freezes and quiet hours that are known beforehand."""

    playbooks: dict[str, PlaybookOverride] = Field(default_factory=dict)
    """Changes to playbooks, by playbook name (`scheduler-restart`)."""

    @model_validator(mode="before")
    @classmethod
    def _validate_default_paths(cls, data: Any) -> Any:
        """Let the remediator's default paths start at the folder of the file, as written ones do."""
        if not isinstance(data, Mapping):
            return data
        remediator = data.get("remediator", {})
        if not isinstance(remediator, Mapping):
            return data
        return {**data, "remediator": {"journal": {}, "audit": {}, "retention": {}, **remediator}}

    @field_validator("playbooks", mode="before")
    @classmethod
    def _names_with_dashes(cls, value: Any) -> Any:
        """A variable's name cannot hold a dash: `SCHEDULER_RESTART` means `scheduler-restart`."""
        if not isinstance(value, Mapping):
            return value
        return {str(name).replace("_", "-"): body for name, body in value.items()}

    @field_validator("clusters")
    @classmethod
    def _unique_names(cls, clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
        names = [cluster.name for cluster in clusters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two clusters are called {twice[0]!r}: give each its own name")
        return clusters

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        known = [cluster.name for cluster in self.clusters] or ["default"]
        sections: tuple[tuple[str, tuple[Dependency | Sla | BusinessQuery, ...]], ...] = (
            ("dependencies", self.dependencies),
            ("slas", self.slas),
            ("business.queries", self.business.queries),
        )
        for section, items in sections:
            for index, item in enumerate(items):
                if item.cluster is None and len(known) > 1:
                    raise wrong(
                        f"{section}[{index}]", f"cluster is missing: one of {', '.join(known)}"
                    )
                if item.cluster is not None and item.cluster not in known:
                    raise wrong(
                        f"{section}[{index}].cluster",
                        f"{item.cluster!r} is not one of the clusters {', '.join(known)}",
                    )
        for index, window in enumerate(self.windows):
            if window.cluster not in ("*", *known):
                raise wrong(
                    f"windows[{index}].cluster",
                    f"{window.cluster!r} is not one of the clusters {', '.join(known)}, nor *",
                )
        pairs = [(self.cluster_of(item), item.name) for item in self.dependencies]
        if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
            raise wrong("dependencies", f"{twice[0][1]!r} is declared twice")
        return self

    @model_validator(mode="after")
    def _hours_exist(self) -> Self:
        slack = self.notifications.slack
        told = {"notifications.slack": slack} if slack is not None else {}
        for place, one in {
            **told,
            **{f"teams.{name}": t for name, t in self.teams.items()},
        }.items():
            for key in ("active_time_intervals", "mute_time_intervals"):
                for name in getattr(one, key):
                    if name not in self.time_intervals:
                        known = ", ".join(self.time_intervals) or "none is given"
                        raise wrong(
                            f"{place}.{key}", f"{name!r} is not one of time_intervals ({known})"
                        )
        return self

    def hours_of(self, team: str) -> TellingHours:
        """Return when a team is told of warnings in chat; "" for what belongs to none."""
        own, common = self.teams.get(team), self.notifications.slack
        if own is not None and (own.active_time_intervals or own.mute_time_intervals):
            return self._hours(own)
        return self._hours(common) if common is not None else TellingHours()

    def _hours(self, one: Team | alerting.Slack) -> TellingHours:
        def named(names: tuple[str, ...]) -> tuple[WeeklyTime, ...]:
            return tuple(hours.weekly for name in names for hours in self.time_intervals[name])

        return TellingHours(named(one.active_time_intervals), named(one.mute_time_intervals))

    @model_validator(mode="after")
    def _lease_is_shared(self) -> Self:
        lease, journal = self.exporter.lease, self.remediator.journal.url
        url = lease.url or journal if lease is not None else None
        if url is not None and (url.literal or "").startswith("sqlite:"):
            raise wrong(
                "exporter.lease",
                "exporters agree through PostgreSQL, and the journal is SQLite: give"
                " exporter.lease.url_file, or a PostgreSQL journal in remediator.journal.url_file",
            )
        return self

    def cluster_of(self, item: Dependency | Sla | BusinessQuery) -> str:
        """Return the name of the cluster that a dependency, an SLA or a query belongs to."""
        if item.cluster is not None:
            return item.cluster
        return self.clusters[0].name if self.clusters else "default"

    @property
    def exporter_url(self) -> str:
        """The exporter's address as Prometheus reaches it."""
        scheme = "https" if self.exporter.tls else "http"
        return self.exporter.url or f"{scheme}://{self.exporter.listen}"

    @property
    def remediator_url(self) -> str:
        """The remediator's address as Alertmanager, Prometheus and operators reach it."""
        scheme = "https" if self.remediator.tls else "http"
        return self.remediator.url or f"{scheme}://{self.remediator.listen}"
