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
from airwarden.rules.promql import surely_above
from airwarden.rules.shares import breach, recordings

_FINISHED = "airwarden_dag_runs_finished_total"
_ENDED = 'state=~"success|failed"'
_FAILED = 'state="failed"'
#: DAGs that nobody labelled, and teams beyond the exporter's limit, are no team.
_A_TEAM = 'team!~"|unset|_overflow"'
_TEAM_LEVEL, _PLATFORM_LEVEL = "cluster_team", "cluster"


def _series(level: str, what: str, context: Context, *matchers: str) -> str:
    name = f"{level}:airwarden_dag_runs_{what}increase{format_duration(context.over)}"
    return context.series(name, *matchers, labels=("team",) if level == _TEAM_LEVEL else ())


def _recordings(rules: Rules) -> tuple[RecordingRule, ...]:
    made: dict[str, RecordingRule] = {}
    for context in (*rules.variants(PLATFORM.name), *rules.variants(TEAM.name)):
        over = format_duration(context.over)

        def by_team(states: str, over: str = over) -> str:
            return f"sum by (cluster, team) (increase({_FINISHED}{{{states}}}[{over}]))"

        def of_all(what: str, over: str = over) -> str:
            return f"sum by (cluster) (cluster_team:airwarden_dag_runs_{what}:increase{over})"

        levels = (
            (_TEAM_LEVEL, by_team(_FAILED), by_team(_ENDED)),
            (_PLATFORM_LEVEL, of_all("failed"), of_all("ended")),
        )
        for level, failed, ended in levels:
            prefix = f"{level}:airwarden_dag_runs"
            rows = recordings(prefix, failed, ended, context.over, failed="failed", ended="ended")
            made |= {row.record: row for row in rows}
    return tuple(made.values())


def _of_a_part(context: Context, *labels: str, matcher: str = "") -> str:
    """Return the breach among runs that the recorded series do not tell apart: of a type, a tier."""
    by = context.by(*labels)
    over = format_duration(context.over)

    def count(states: str) -> str:
        selector = context.series(_FINISHED, *filter(None, (states, matcher)))
        return f"sum by ({by}) (increase({selector}[{over}]))"

    failed, ended = count(_FAILED), count(_ENDED)
    return breach(context, f"{failed} / {ended}", surely_above(failed, ended), ended, by)


def team_burst(rules: Rules, lately: timedelta) -> str:
    """Return the teams in which surely more runs failed than may, at any time of late.

    Empty where the teams' alert is switched off, or watches parts of them only.
    """
    teams = [context for context in rules.variants(TEAM.name) if not _is_a_part(context, "team")]
    return "\nor\n".join(
        "max by (cluster, team) (max_over_time("
        f"{_series(_TEAM_LEVEL, 'failed:ratio_low_', context, _A_TEAM)}[{format_duration(lately)}]"
        f")) {context.beyond}"
        for context in teams
    )


def _is_a_part(context: Context, *recorded: str) -> bool:
    return any(m.label not in ("cluster", *recorded) for m in context.scope)


def _team_breach(context: Context) -> str:
    if _is_a_part(context, "team"):
        return _of_a_part(context, "cluster", "team", matcher=_A_TEAM)
    return breach(
        context,
        _series(_TEAM_LEVEL, "failed:ratio_", context, _A_TEAM),
        _series(_TEAM_LEVEL, "failed:ratio_low_", context),
        _series(_TEAM_LEVEL, "ended:", context),
        "cluster, team",
    )


def _platform_breach(context: Context) -> str:
    if _is_a_part(context):
        return _of_a_part(context, "cluster")
    beyond = breach(
        context,
        _series(_PLATFORM_LEVEL, "failed:ratio_", context),
        _series(_PLATFORM_LEVEL, "failed:ratio_low_", context),
        _series(_PLATFORM_LEVEL, "ended:", context),
        "cluster",
    )
    teams = context.rules.variants(TEAM.name)
    if not teams:
        return beyond
    theirs = "\nor\n".join(map(_team_breach, teams))

    def rest(what: str) -> str:
        own = _series(_TEAM_LEVEL, f"{what}:", context)
        return (
            f"({_series(_PLATFORM_LEVEL, f'{what}:', context)} - on (cluster) "
            f"sum by (cluster) ({own} and on (cluster, team) ({theirs})))"
        )

    return f"""\
{beyond}
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
    scopes=("type", "tier"),
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
    scopes=("team", "type", "tier"),
    over=timedelta(minutes=10),
    at_least=10,
    hold=timedelta(minutes=10),
    # A team has few runs: now and then too few for a verdict, in the midst of one bad deploy.
    lingers=timedelta(minutes=30),
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
PIPELINES = Subject(
    name="pipelines",
    alerts=(PLATFORM, TEAM),
    recordings=_recordings,
    # By team, and by type: both at once would be as many series as are scraped.
    shown=(
        RecordingRule(
            f"cluster_state_team_tier:{_FINISHED.removesuffix('_total')}:per_minute",
            f"60 * sum by (cluster, state, team, tier) (rate({_FINISHED}[5m]))",
        ),
        RecordingRule(
            f"cluster_run_type_state_tier_type:{_FINISHED.removesuffix('_total')}:per_minute",
            f"60 * sum by (cluster, run_type, state, tier, type) (rate({_FINISHED}[5m]))",
        ),
    ),
)
