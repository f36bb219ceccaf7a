"""Alerts on failing DAGs: across the platform, and in one team.

One team's bad deploy is that team's alert; the platform's alert is for failures that one team does not
explain. While the platform's alert fires, it inhibits those of the teams.
"""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject

_ENDED = 'state=~"success|failed"'
_FAILED = 'state="failed"'
#: DAGs that nobody labelled, and teams beyond the exporter's limit, are no team.
_A_TEAM = 'team!~"|unset|_overflow"'


def _series(level: str, what: str, context: Context) -> str:
    return f"{level}:airwarden_dag_runs_{what}:increase{format_duration(context.over)}"


def _ratio(level: str, context: Context) -> str:
    return f"{level}:airwarden_dag_runs_failed:ratio_increase{format_duration(context.over)}"


def _recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    made: dict[str, RecordingRule] = {}
    for context in (rules.get(PLATFORM.name), rules.get(TEAM.name)):
        if context is None:
            continue
        over = format_duration(context.over)
        counts = (("failed", _FAILED), ("ended", _ENDED))
        pairs = [
            (
                _series("cluster_team", what, context),
                f"sum by (cluster, team) "
                f"(increase(airwarden_dag_runs_finished_total{{{states}}}[{over}]))",
            )
            for what, states in counts
        ]
        pairs += [
            (
                _series("cluster", what, context),
                f"sum by (cluster) ({_series('cluster_team', what, context)})",
            )
            for what, _ in counts
        ]
        pairs += [
            (
                _ratio(level, context),
                f"{_series(level, 'failed', context)} / {_series(level, 'ended', context)}",
            )
            for level in ("cluster_team", "cluster")
        ]
        made |= {record: RecordingRule(record, expr) for record, expr in pairs}
    return tuple(made.values())


def _team_breach(context: Context) -> str:
    return (
        f"{_ratio('cluster_team', context)}{{{_A_TEAM}}} {context.beyond}\n"
        f"and on (cluster, team) {_series('cluster_team', 'ended', context)} >= {context.at_least}"
    )


def _platform_breach(context: Context) -> str:
    breach = (
        f"{_ratio('cluster', context)} {context.beyond}\n"
        f"and on (cluster) {_series('cluster', 'ended', context)} >= {context.at_least}"
    )
    team = context.rules.get(TEAM.name)
    if team is None:
        return breach
    theirs = _team_breach(team)

    def rest(what: str) -> str:
        own = _series("cluster_team", what, context)
        return (
            f"({_series('cluster', what, context)} - on (cluster) "
            f"sum by (cluster) ({own} and on (cluster, team) ({theirs})))"
        )

    return f"""\
{breach}
unless on (cluster) (
count by (cluster) ({theirs}) == 1
and on (cluster) ({rest("failed")} / {rest("ended")} <= {context.limit.number})
)"""


PLATFORM = AlertRule(
    name="AirflowDagFailureRateHigh",
    component="pipelines",
    severity=Severity.CRITICAL,
    threshold=parse_threshold("> 5%"),
    units=(Unit.RATIO,),
    over=timedelta(minutes=10),
    at_least=20,
    hold=timedelta(minutes=10),
    expr=_platform_breach,
    summary="{{ $value | humanizePercentage }} of the DAG runs on {{ $labels.cluster }} fail",
    description=(
        "Of at least <<at_least>> runs that ended within <<over>>, more than <<limit>> failed, "
        "for <<hold>>, and not in one team only."
    ),
)
TEAM = AlertRule(
    name="AirflowTeamDagFailureRateHigh",
    component="pipelines",
    severity=Severity.WARNING,
    threshold=parse_threshold("> 20%"),
    units=(Unit.RATIO,),
    over=timedelta(minutes=10),
    at_least=10,
    hold=timedelta(minutes=10),
    expr=_team_breach,
    summary=(
        "{{ $value | humanizePercentage }} of team {{ $labels.team }}'s DAG runs on "
        "{{ $labels.cluster }} fail"
    ),
    description=(
        "Of at least <<at_least>> runs of this team that ended within <<over>>, more than "
        "<<limit>> failed, for <<hold>>; other teams are well. A change of theirs is the likeliest "
        "cause."
    ),
)
PIPELINES = Subject(name="pipelines", alerts=(PLATFORM, TEAM), recordings=_recordings)
