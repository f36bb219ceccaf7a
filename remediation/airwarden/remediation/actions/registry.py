"""Every action there is, by the name that a playbook's step uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.remediation.actions.base import Action
from airwarden.remediation.actions.process import ProcessRestart


def actions() -> Mapping[str, Action]:
    """Return name → action."""
    every: tuple[Action, ...] = (ProcessRestart(),)
    return MappingProxyType({action.name: action for action in every})
