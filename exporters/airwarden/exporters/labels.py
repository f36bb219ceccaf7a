"""Tier, team and type of each DAG: from its Airflow tags, then from the operator's rules."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import OVERFLOW
from airwarden.exporters.fleet import Fleet
from airwarden.exporters.sightings import HOUR, Sightings
from airwarden.exporters.sources import DagRule

TIERS = ("critical", "high", "medium", "low")
TYPES = ("etl", "ml_training", "analytics", "data_quality", "reporting", "ad_hoc")
#: What a DAG has that nobody labelled, or whose tag is none of the known values.
UNSET = "unset"
#: Tags of what a DAG needs, and of a canary: the queue it proves, and how often it runs.
DEPENDS, CANARY, CANARY_EVERY = "depends:", "airwarden-canary", "airwarden-every"
#: Beyond so many teams the rest is summed: labels stay bounded whatever tags say.
MAX_TEAMS = 200


@dataclass(frozen=True, slots=True)
class DagLabels:
    """One DAG's labels, and what else of it the collectors need.

    Attributes:
        depends: Dependencies that it declares (`depends:NAME`).
        canary: The queue that it proves, if it is a canary of ours: its runs are no work of anybody's and
            count in no metric but the canaries' own.
        canary_every: The pause between two of its runs, as its tag says it.
        sla, model, report, due, value: What the tag of that name says, as it is written.
    """

    tier: str = UNSET
    team: str = UNSET
    type: str = UNSET
    paused: bool = False
    sla: str = ""
    depends: tuple[str, ...] = ()
    canary: str = ""
    canary_every: str = ""
    model: str = ""
    report: str = ""
    due: str = ""
    value: str = ""

    @property
    def purpose(self) -> bool:
        """Whether its tags say what its runs are worth."""
        return bool(self.model or self.report or self.value)


#: Of a DAG that no longer exists.
_GONE = DagLabels()


def labels_of(dag_id: str, tags: Iterable[str], rules: Sequence[DagRule]) -> DagLabels:
    """Return a DAG's labels: its own tags win, then the first rule that gives a value."""
    tags = tuple(tags)
    tagged: dict[str, str] = {}
    for tag in sorted(tags):
        name, _, value = tag.partition(":")
        if value:
            tagged.setdefault(name, value)
    for rule in rules:
        if fnmatchcase(dag_id, rule.dags):
            given = {"tier": rule.tier, "team": rule.team, "type": rule.type}
            for name, value in given.items():
                if value:
                    tagged.setdefault(name, value)
    tier, kind = tagged.get("tier", UNSET), tagged.get("type", UNSET)
    return DagLabels(
        tier=tier if tier in TIERS else UNSET,
        team=tagged.get("team", UNSET),
        type=kind if kind in TYPES else UNSET,
        sla=tagged.get("sla", ""),
        depends=tuple(sorted({tag.partition(":")[2] for tag in tags if tag.startswith(DEPENDS)})),
        canary=tagged.get(CANARY, ""),
        canary_every=tagged.get(CANARY_EVERY, ""),
        model=tagged.get("model", ""),
        report=tagged.get("report", ""),
        due=tagged.get("due", ""),
        value=tagged.get("value", ""),
    )


class DagRegistry:
    """The labels of every DAG of a cluster, read from the metadata database and kept for a while.

    Args:
        database: Where DAGs and tags are read.
        rules: The operator's.
        clock: Time.
        keep: Seconds after which everything is read again.
        miss: Seconds between two reads caused by a DAG that is not known yet, and after one that failed:
            what is locked holds up who reads it once, and not one collector after the other. A DAG that is
            not there then, as one that is stale, causes no other one.
    """

    def __init__(
        self,
        database: MetadataDatabase,
        rules: Sequence[DagRule],
        clock: Clock,
        *,
        keep: float = 60.0,
        miss: float = 5.0,
    ) -> None:
        self._database = database
        self._rules = tuple(rules)
        self._clock = clock
        self._keep = keep
        self._miss = miss
        self._lock = threading.Lock()
        self._fleet = Fleet()
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._read_at: float | None = None
        #: DAGs that were looked for and are not there.
        self._absent: set[str] = set()
        self._failure: tuple[float, AirwardenError] | None = None
        self._digest: tuple[object, ...] = ()
        self._teams = Sightings(clock, keep=HOUR, always=(UNSET, OVERFLOW))

    def of(self, dag_ids: Iterable[str]) -> Mapping[str, DagLabels]:
        """Return the labels of these DAGs; one that no longer exists is unset.

        Raises:
            AirwardenError: They were never read, and cannot be now.
        """
        wanted = set(dag_ids)
        dags = self._fresh(wanted)
        return dict(zip(wanted, map(dags.get, wanted, itertools.repeat(_GONE)), strict=True))

    def all(self) -> Mapping[str, DagLabels]:
        """Return the labels of every DAG that is not stale."""
        return self._fresh(set())

    def fleet(self) -> Fleet:
        """Return every DAG that is not stale, with what follows from all of them."""
        self._fresh(set())
        return self._fleet

    def teams(self) -> frozenset[str]:
        """Return the teams that have, or an hour ago had, DAGs; what belongs to others may be dropped."""
        with self._lock:
            self._teams.note(self._fleet.teams)
            return self._teams.seen()

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return what was last read of every DAG, stale ones included.

        Raises:
            AirwardenError: It was to be read again, and cannot be.
        """
        self._fresh(set(), strict=True)
        return self._rows

    def _fresh(self, wanted: set[str], *, strict: bool = False) -> Mapping[str, DagLabels]:
        with self._lock:
            age = None if self._read_at is None else self._clock.elapsed() - self._read_at
            # One by one: a difference of sets would walk over all DAGs to find a few among them.
            missing = {id_ for id_ in wanted if id_ not in self._fleet.dags} - self._absent
            if age is None or age > self._keep or (missing and age > self._miss):
                try:
                    self._try(pause=age is not None)
                    self._absent |= {id_ for id_ in missing if id_ not in self._fleet.dags}
                except AirwardenError:
                    if age is None or strict:
                        raise  # old labels are better than none; none are worse than waiting
            return self._fleet.dags

    def _try(self, *, pause: bool) -> None:
        """Read, or, shortly after a read that failed, fail as that one did."""
        if pause and self._failure is not None:
            failed_at, error = self._failure
            if self._clock.elapsed() - failed_at <= self._miss:
                raise error
        try:
            self._read()
        except AirwardenError as error:
            self._failure = (self._clock.elapsed(), error)
            raise
        self._failure = None

    def _read(self) -> None:
        """Read everything, if a digest over it has changed: it seldom does, and costs a tenth."""
        digest = tuple(self._database.rows("dags_digest")[0].values())
        if digest == self._digest and self._read_at is not None:
            self._read_at = self._clock.elapsed()
            return
        self._take(self._database.rows("dags"))
        self._absent.clear()
        self._digest = digest

    def _take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take what was read of every DAG."""
        dags: dict[str, DagLabels] = {}
        teams: set[str] = set()
        for row in sorted(rows, key=lambda row: str(row["dag_id"])):
            if row["is_stale"]:
                continue
            found = labels_of(row["dag_id"], row["tags"] or (), self._rules)
            if len(teams) < MAX_TEAMS:
                teams.add(found.team)
            dags[row["dag_id"]] = replace(
                found,
                team=found.team if found.team in teams else OVERFLOW,
                paused=bool(row["is_paused"]),
            )
        self._fleet = Fleet(dags)
        self._rows = rows
        self._read_at = self._clock.elapsed()
