"""The backtest put together: history, labels, rules, what was measured, and what is asked to be tried."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airwarden.cli.options import read_text
from airwarden.core.errors import RejectedError, WrongInputError
from airwarden.core.history import PastDag, PastOfAirflow
from airwarden.core.settings import Settings
from airwarden.core.thresholds import parse_threshold
from airwarden.rules.framework import FRAMEWORK_ALERTS

if TYPE_CHECKING:
    from airwarden.adapters.prometheus_range import PrometheusRange
    from airwarden.rules.backtest.grid import Grid
    from airwarden.rules.backtest.past_metrics import DagKind
    from airwarden.rules.backtest.replay import RuleSet
    from airwarden.rules.backtest.report import Incident, Report, Variant
    from airwarden.rules.backtest.sources import Source
    from airwarden.rules.config import RuleConfig

DAY = 86_400.0
#: Told what is being done, and how much of it is, from 0 to 1.
Steps = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asks for.

    Attributes:
        cluster: The platform's name; its labels, SLAs and rules are those of the settings.
        until: Unix time of the end.
        days: How far back.
        step: Seconds between evaluations.
        tries: Alert's or framework's name → threshold in words.
        budget: Pages a week that are bearable.
        grid: Whether other thresholds are tried by themselves.
        playbooks: Whether to name the playbook that each page would have started.
        tasks: Whether task attempts are read as well as runs.
    """

    cluster: str
    until: float
    days: float
    step: float
    tries: tuple[tuple[str, str], ...] = ()
    incidents: tuple[Incident, ...] = ()
    budget: float = 14.0
    grid: bool = True
    playbooks: bool = False
    tasks: bool = True


@dataclass(slots=True)
class Backtest:
    """One backtest.

    Args:
        settings: The installation.
        request: What is asked.
        history: Airflow's metadata database.
        prometheus: What was measured; None where nothing was.
        steps: Told how far it is.
    """

    settings: Settings
    request: Request
    history: PastOfAirflow
    prometheus: PrometheusRange | None = None
    steps: Steps = lambda _text, _share: None
    warnings: list[str] = field(default_factory=list)

    def run(self) -> Report:
        """Return the report.

        Raises:
            AirwardenError: The database or Prometheus does not answer, or refuses.
            WrongInputError: What is asked does not fit the rules.
        """
        from airwarden.cli.outputs import rule_config
        from airwarden.rules.backtest.grid import Grid
        from airwarden.rules.backtest.past_metrics import PastOfRuns
        from airwarden.rules.backtest.replay import RuleSet

        request = self.request
        config = replace(rule_config(self.settings), clusters=(request.cluster,))
        rules = RuleSet.of(config)
        tries = [self._variant(config, name, words) for name, words in request.tries]
        count = int(request.days * DAY // request.step)
        grid = Grid(
            request.until - count * request.step, request.step, count, int(DAY // request.step)
        )
        dags = self.history.dags()
        since = grid.at(-grid.before)
        runs = self.history.runs(since, grid.end, lambda share: self.steps("reading runs", share))
        if not len(runs):
            raise RejectedError("the metadata database holds no DAG run of that time")
        kinds = dag_kinds(dags, self.settings, request.cluster)
        runs = replace(runs, dag=_gone_last(runs.dag, len(kinds) - 1))
        past = PastOfRuns(grid, runs, kinds, request.cluster)
        # What is added goes into the first one: the runs' own are built when they are asked for.
        sources: ChainMap[str, Source] = ChainMap({}, past)  # type: ignore[arg-type]
        sets = [rules, *(variant.rules for variant in tries)]
        if request.tasks:
            sources.update(self._of_tasks(sets, sources, grid, kinds))
        sources.update(self._measured(sets, sources, grid))
        return self._report(rules, tries, sources, past, grid)

    def _variant(self, config: RuleConfig, name: str, words: str) -> Variant:
        from airwarden.rules.backtest.report import Variant
        from airwarden.rules.catalogue import alert

        rule = alert(FRAMEWORK_ALERTS.get(name, name), place="--try")
        return Variant.of(config, rule.name, parse_threshold(words, place=f"--try {name}"))

    def _of_tasks(
        self, sets: Sequence[RuleSet], known: Mapping[str, Any], grid: Grid, dags: Sequence[DagKind]
    ) -> Mapping[str, Source]:
        """Return what the rules ask of task attempts, which are read and let go of piece by piece."""
        from airwarden.rules.backtest.measured import wanted
        from airwarden.rules.backtest.past_tasks import task_sources

        pieces = self.history.tasks(
            grid.at(-grid.before), grid.end, lambda share: self.steps("reading tasks", share)
        )
        return task_sources(pieces, wanted(sets, known), grid, dags, self.request.cluster)

    def _measured(
        self, sets: Sequence[RuleSet], known: Mapping[str, Any], grid: Grid
    ) -> dict[str, Source]:
        """Return what Prometheus knows of the metrics that history does not tell."""
        if self.prometheus is None:
            return {}
        from airwarden.rules.backtest.measured import stored, wanted
        from airwarden.rules.backtest.vectors import NotJudgedError

        found: dict[str, Source] = {}
        names = wanted(sets, known)
        whole = grid.whole
        there = self.prometheus.names(grid.at(whole.first), grid.end)
        if there is not None:
            names = [name for name in names if name in there]
        for number, name in enumerate(names):
            selector = f'{name}{{cluster=~"{self.request.cluster}|"}}'
            try:
                pieces = self.prometheus.samples(
                    selector, grid.at(whole.first), grid.step, whole.count
                )
                series = stored(grid, pieces)
            except (NotJudgedError, RejectedError) as error:
                self.warnings.append(f"{name}: {error}")
                continue
            if series is not None:
                found[name] = series
            self.steps("reading Prometheus", (number + 1) / len(names))
        return found

    def _report(
        self,
        rules: RuleSet,
        tries: Sequence[Variant],
        sources: Mapping[str, Source],
        past: Any,
        grid: Grid,
    ) -> Report:
        from airwarden.rules.backtest.naive import naive_pages
        from airwarden.rules.backtest.promises import tight_promises
        from airwarden.rules.backtest.replay import judgeable, replay
        from airwarden.rules.backtest.report import (
            Report,
            Tried,
            counted,
            pages_of,
            rows_of,
            told_of,
            variants,
        )

        request = self.request
        others = [*tries]
        if request.grid:
            others += variants(judgeable(rules, sources), rules)
        base, *results = replay(
            [rules, *(variant.rules for variant in others)],
            sources,
            grid,
            lambda share: self.steps("replaying", share),
        )
        tried = list(zip(others, results, strict=True))
        choose = self._chooser() if request.playbooks else None
        pages = pages_of(base, past, grid, choose)
        found, pages = told_of(request.incidents, pages)
        return Report(
            cluster=request.cluster,
            start=grid.start,
            end=grid.end,
            step=grid.step,
            runs=len(past.runs),
            dags=len(past.dags) - 1,
            budget=request.budget,
            pages=tuple(pages),
            rows=tuple(rows_of(base, tried[len(tries) :], request.budget, grid_days(grid))),
            incidents=tuple(found),
            tried=tuple(
                (variant.alert, Tried(variant.threshold, *counted(result, variant.alert)))
                for variant, result in tried[: len(tries)]
            ),
            naive=naive_pages(rules, sources, grid),
            not_judged=base.not_judged,
            tight=tuple(tight_promises(past)),
        )

    def _chooser(self) -> Callable[[Mapping[str, str]], str]:
        from airwarden.cli.remediating import playbook_set

        books = playbook_set(self.settings)

        def choose(labels: Mapping[str, str]) -> str:
            found = books.match(labels)
            return found.playbook.name if found else ""

        return choose


def grid_days(grid: Grid) -> float:
    """Return how many days are judged."""
    return grid.count * grid.step / DAY


def _gone_last(places: Any, last: int) -> Any:
    import numpy as np

    return np.where(places < 0, last, places)


def dag_kinds(dags: Sequence[PastDag], settings: Settings, cluster: str) -> list[DagKind]:
    """Return the DAGs with the labels that the exporter gives them; the last one stands for what is gone."""
    from airwarden.cli.exporting import dag_rules, freshness
    from airwarden.exporters.families import OVERFLOW
    from airwarden.exporters.labels import MAX_TEAMS, UNSET, labels_of
    from airwarden.exporters.tag_durations import seconds_of
    from airwarden.rules.backtest.past_metrics import DagKind

    own = next((one for one in settings.clusters if one.name == cluster), None)
    rules = dag_rules(settings, own) if own else ()
    targets = {
        target.subject: target.seconds
        for target in (freshness(sla) for sla in settings.slas)
        if target.is_dag
    }
    kinds: list[DagKind] = []
    teams: set[str] = set()
    for dag in dags:
        labels = labels_of(dag.dag_id, dag.tags, rules)
        if not dag.stale and len(teams) < MAX_TEAMS:
            teams.add(labels.team)
        kinds.append(
            DagKind(
                dag.dag_id,
                UNSET if dag.stale else labels.type,
                UNSET if dag.stale else labels.tier,
                UNSET if dag.stale else labels.team if labels.team in teams else OVERFLOW,
                dag.paused,
                dag.max_active_runs,
                0.0 if dag.stale else targets.get(dag.dag_id, seconds_of(labels.sla)),
            )
        )
    return [*kinds, DagKind("", UNSET, UNSET, UNSET)]


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """Read incidents that people remember.

    Raises:
        WrongInputError: The file is wrong; the message names the entry.
    """
    import yaml

    from airwarden.rules.backtest.report import Incident

    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise WrongInputError(f"is not YAML: {error}", place=str(path)) from None
    entries = document.get("incidents") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise WrongInputError(
            "expected a list under `incidents`", place=str(path), hint="name, began, ended, …"
        )
    found = []
    known = {"name", "began", "ended", "alerts", "labels", "noticed"}
    for number, entry in enumerate(entries):
        place = f"{path}: incidents[{number}]"
        if not isinstance(entry, dict) or not {"name", "began", "ended"} <= entry.keys():
            raise WrongInputError("needs name, began and ended", place=place)
        if unknown := sorted(map(str, entry.keys() - known)):
            raise WrongInputError(
                f"unknown key {unknown[0]!r}",
                place=place,
                hint=f"known: {', '.join(sorted(known))}",
            )
        began, ended = (_moment(entry[key], f"{place}.{key}") for key in ("began", "ended"))
        if ended < began:
            raise WrongInputError("ended before it began", place=place)
        alerts = entry.get("alerts") or ()
        labels = entry.get("labels") or {}
        if isinstance(alerts, str) or not isinstance(labels, dict):
            raise WrongInputError("alerts is a list, labels a mapping", place=place)
        noticed = entry.get("noticed")
        found.append(
            Incident(
                str(entry["name"]),
                began,
                ended,
                tuple(map(str, alerts)),
                {str(name): str(value) for name, value in labels.items()},
                None if noticed is None else _moment(noticed, f"{place}.noticed"),
            )
        )
    return tuple(found)


def _moment(value: object, place: str) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise WrongInputError(
            f"{value!r} is no moment", place=place, hint="for example 2026-01-05T14:00:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def open_history(settings: Settings, dsn: str, cluster: str, timeout: float) -> PastOfAirflow:
    """Return the metadata database of a platform.

    Raises:
        WrongInputError: Neither a DSN is given nor one is in the settings.
    """
    from airwarden.adapters.history_postgres import PostgresHistory
    from airwarden.adapters.secrets import read_secret

    if not dsn:
        own = next((one for one in settings.clusters if one.name == cluster), None)
        if own is None or own.metadata_database is None:
            raise WrongInputError(
                "no metadata database to read the history from",
                place="--dsn",
                hint="give its connection string, or a cluster that has one with --cluster",
            )
        reference = own.metadata_database.dsn
        dsn = read_secret(
            reference, place=f"clusters.{cluster}.metadata_database.dsn"
        ).get_secret_value()
    return PostgresHistory(dsn, statement_timeout=timeout)
