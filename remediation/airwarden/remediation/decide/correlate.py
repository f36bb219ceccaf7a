"""Which playbook an alert belongs to, and which alerts are one incident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airwarden.core.alerts import Alert, Severity
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.playbook import Playbook

_RANK = (Severity.NONE, Severity.INFO, Severity.WARNING, Severity.CRITICAL)
#: Labels that say how an alert was judged or collected, not what it is about.
_NOT_ABOUT = frozenset({"alertname", "severity", "instance", "job", "prometheus", "replica"})


@dataclass(frozen=True, slots=True)
class LoadedPlaybook:
    """A playbook as it is in force: with its mode, its rails, and where it was read from.

    Attributes:
        mode: What the settings let it do.
        block_on: Label sets of alerts during which it does nothing, beside those for all.
        override_reason: Why the settings let it act before it has earned it.
    """

    playbook: Playbook
    mode: Mode = Mode.SHADOW
    rails: Rails = field(default_factory=Rails)
    source: str = ""
    block_on: tuple[Mapping[str, str], ...] = ()
    override_reason: str = ""


@dataclass(frozen=True, slots=True)
class PlaybookSet:
    """All playbooks in force, by name; replaced as a whole at a reload.

    Attributes:
        rails: The numbers for what belongs to no playbook.
        block_on: Label sets of alerts during which no playbook does anything.
        protect: Patterns over target keys that are never touched, beside those that always are.
    """

    by_name: Mapping[str, LoadedPlaybook] = field(default_factory=dict)
    rails: Rails = field(default_factory=Rails)
    block_on: tuple[Mapping[str, str], ...] = ()
    protect: tuple[str, ...] = ()

    def match(self, labels: Mapping[str, str]) -> LoadedPlaybook | None:
        """Return the playbook with the most specific matching label set, by name among equals."""
        best: tuple[int, str] | None = None
        for name in sorted(self.by_name):
            for wanted in self.by_name[name].playbook.alerts:
                fits = all(labels.get(key) == value for key, value in wanted.items())
                if fits and (best is None or len(wanted) > best[0]):
                    best = (len(wanted), name)
        return self.by_name[best[1]] if best else None

    def rails_of(self, name: str) -> Rails:
        """Return a playbook's rails, or the general ones for an unknown name."""
        loaded = self.by_name.get(name)
        return loaded.rails if loaded else self.rails

    def block_on_of(self, name: str) -> tuple[Mapping[str, str], ...]:
        """Return the label sets of alerts during which a playbook does nothing."""
        loaded = self.by_name.get(name)
        return (*self.block_on, *(loaded.block_on if loaded else ()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert belongs: its cluster, its incident's key, and its playbook's name or ''."""

    cluster: str
    key: str
    playbook: str


def place(alert: Alert, playbooks: PlaybookSet) -> Place:
    """Return where an alert belongs. Without a playbook, all alerts of one name are one incident."""
    loaded = playbooks.match(alert.labels)
    if loaded is None:
        return Place(alert.cluster, f"no-playbook/alertname={alert.name}", "")
    book = loaded.playbook
    about = ",".join(f"{label}={alert.labels.get(label, '')}" for label in book.correlate)
    return Place(alert.cluster, f"{book.name}/{about}"[:512], book.name)


def shared_labels(alerts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the labels that all alerts have with the same value."""
    if not alerts:
        return {}
    first, *others = alerts
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def highest(severities: Iterable[Severity]) -> Severity:
    """Return the highest severity; `none` for none at all."""
    return max(severities, key=_RANK.index, default=Severity.NONE)


def subject_words(labels: Mapping[str, str]) -> str:
    """Return what the labels are about, for a title: `queue=default`."""
    about = {k: v for k, v in labels.items() if k not in _NOT_ABOUT and k not in ("cluster",)}
    return ", ".join(f"{key}={value}" for key, value in sorted(about.items()))
