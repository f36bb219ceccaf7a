"""Settings: what operators write in `airwarden.yaml`, as frozen values. No I/O here.

`parse` reads text; every setting is documented beside its declaration, and the reference page
`docs/reference/configuration.md` is made from that.
"""

from __future__ import annotations

from airwarden.core.settings.base import ListenAddress, SecretRef
from airwarden.core.settings.business import Business, BusinessQuery
from airwarden.core.settings.clusters import (
    AirflowApi,
    AirflowAuth,
    Broker,
    Cluster,
    Host,
    Kubernetes,
    MatchRule,
    MetadataDatabase,
    Statsd,
    Supervisord,
    Workers,
)
from airwarden.core.settings.exporting import Events
from airwarden.core.settings.load import Problem, WrongSettingsError, parse
from airwarden.core.settings.mapped import Mapped
from airwarden.core.settings.people import Operator, Window, WindowKind
from airwarden.core.settings.pipelines import Dependency, DependencyProbe, Sla, Team
from airwarden.core.settings.programs import Mode, PlaybookOverride
from airwarden.core.settings.root import Settings

__all__ = [
    "AirflowApi",
    "AirflowAuth",
    "Broker",
    "Business",
    "BusinessQuery",
    "Cluster",
    "Dependency",
    "DependencyProbe",
    "Events",
    "Host",
    "Kubernetes",
    "ListenAddress",
    "Mapped",
    "MatchRule",
    "MetadataDatabase",
    "Mode",
    "Operator",
    "PlaybookOverride",
    "Problem",
    "SecretRef",
    "Settings",
    "Sla",
    "Statsd",
    "Supervisord",
    "Team",
    "Window",
    "WindowKind",
    "Workers",
    "WrongSettingsError",
    "parse",
]
