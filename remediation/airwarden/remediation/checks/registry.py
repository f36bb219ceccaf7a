"""Every check there is, by the name that a playbook uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.remediation.checks.base import Check
from airwarden.remediation.checks.component import ComponentHealthy, ComponentLate


def checks() -> Mapping[str, Check]:
    """Return name → check."""
    every: tuple[Check, ...] = (ComponentLate(), ComponentHealthy())
    return MappingProxyType({check.name: check for check in every})
