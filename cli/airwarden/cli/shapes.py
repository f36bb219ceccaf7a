"""What each command prints with `--output json`; the reference page and the tests are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, get_type_hints

from airwarden.cli.checks.finding import Finding as CheckFinding
from airwarden.cli.doctor.finding import Finding as DoctorFinding
from airwarden.cli.standing import Standing
from airwarden.remediation.auditing import Verdict
from airwarden.remediation.by_hand import Rehearsal
from airwarden.remediation.decide.promotion import Firing
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.explain import Explanation
from airwarden.remediation.promotion import Scorecard
from airwarden.remediation.simulating import Simulated
from airwarden.remediation.windowing import Listed
from airwarden.rules.backtest.report import Report


class RemediatorStatus(TypedDict):
    """How the remediator stands.

    Attributes:
        leader: Whether the one that answered leads.
        led_by: The process that leads; empty for none.
        clusters: The platforms that it knows.
        switches: Kill switches and modes set at run time: who, why, since when.
        kill_switch_file: What the kill switch file says; empty where it is not there.
        windows: Maintenance, freezes and quiet hours that are open.
        in_flight: Effects that are under way: cluster and target.
        playbooks: Playbook → the mode that the settings give it.
        modes: Cluster → playbook → the mode in force.
    """

    leader: bool
    led_by: str
    clusters: list[str]
    switches: list[dict[str, Any]]
    kill_switch_file: str
    windows: list[dict[str, Any]]
    in_flight: list[dict[str, str]]
    playbooks: dict[str, str]
    modes: dict[str, dict[str, str]]


AppliedThreshold = TypedDict(
    "AppliedThreshold",
    {
        "alert": str,
        "where": dict[str, list[str]],
        "enabled": bool,
        "threshold": str,
        "severity": str,
        "more": str,
        "from": list[str],
    },
)
AppliedThreshold.__doc__ = """What applies to an alert somewhere.

Attributes:
    alert: Its name.
    where: Label → values; empty for everywhere else.
    enabled: Whether it fires at all there.
    threshold: In the operators' words, in normal form.
    more: What else is to be known.
    from: The keys of the settings that say so.
"""


class FailedAttempt(TypedDict):
    """One failed task attempt with its one cause.

    Attributes:
        at: When it ended.
        cause: infrastructure, dependency, dag_code, data or unknown.
        why: The same in a few words.
        evidence: What told it.
        final: Whether no other try follows.
        hostname: Where it ran.
    """

    cluster: str
    at: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    final: bool
    cause: str
    why: str
    tier: str
    team: str
    operator: str
    hostname: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a command prints: one object of a type, or a list of them.

    Attributes:
        of: The type.
        many: Whether it is a list.
        adds: Keys beside those of the type, with their meaning.
        lacks: Keys of the type that are not printed.
    """

    of: Any
    many: bool = False
    adds: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of each object; none where it is no object."""
        hints = () if self.of is str else get_type_hints(self.of)
        return (frozenset(hints) | frozenset(self.adds)) - self.lacks


#: Command → what it prints.
SHAPES: dict[str, Shape] = {
    "doctor": Shape(DoctorFinding, many=True),
    "backtest": Shape(
        Report, adds={"totals": "Pages, messages and notifications, in all and a day."}
    ),
    "build": Shape(str, many=True),
    "check": Shape(CheckFinding, many=True),
    "check --explain": Shape(AppliedThreshold, many=True),
    "status": Shape(Standing),
    "top": Shape(Standing),
    "why": Shape(FailedAttempt, many=True),
    "incidents": Shape(IncidentView, many=True),
    "explain": Shape(Explanation),
    "approve": Shape(IncidentView),
    "deny": Shape(IncidentView),
    "acknowledge": Shape(IncidentView),
    "release": Shape(IncidentView),
    "silence": Shape(IncidentView),
    "close": Shape(IncidentView),
    "pause": Shape(RemediatorStatus),
    "resume": Shape(RemediatorStatus),
    "run": Shape(IncidentView),
    "run --dry-run": Shape(Rehearsal, lacks=frozenset({"keys"})),
    "mode": Shape(Scorecard, many=True),
    "scorecard": Shape(Scorecard, many=True),
    "verdict": Shape(Firing),
    "maintenance start": Shape(Listed, many=True),
    "maintenance stop": Shape(Listed, many=True),
    "maintenance list": Shape(Listed, many=True),
    "windows list": Shape(Listed, many=True),
    "windows add": Shape(Listed, many=True),
    "windows end": Shape(Listed, many=True),
    "playbooks simulate": Shape(Simulated, many=True),
    "audit verify": Shape(Verdict, adds={"holds": "Whether nothing was found."}),
}
#: Command → why it prints no data.
NO_DATA: dict[str, str] = {
    "init": "asks, and writes a file",
    "up": "runs until it is stopped; its lines are JSON with --log-format json",
    "exporter": "runs until it is stopped; its lines are JSON with --log-format json",
    "remediator": "runs until it is stopped; its lines are JSON with --log-format json",
    "airflow listener": "prints a file for Airflow",
    "airflow canary": "prints a file for Airflow",
    "audit export": "always writes JSON, one entry a line",
    "password": "asks, and prints one line for the settings",
}
