"""Freshness: when each asset with a target was last updated, counted in its target's calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Counter, Family, Labels, gauge
from airwarden.exporters.fleet import Fleet
from airwarden.exporters.labels import TIERS, UNSET, DagLabels, DagRegistry
from airwarden.exporters.sources import FreshnessTarget
from airwarden.exporters.successes import Successes
from airwarden.exporters.tag_durations import seconds_of

KIND = "asset"
#: Share of its target from which an asset is at risk.
AT_RISK = 0.8
#: Days that are walked back over; an asset older than that is late in any calendar.
_MAX_DAYS = 400
_RANKS = {tier: rank for rank, tier in enumerate((*TIERS, UNSET))}


@dataclass(frozen=True, slots=True)
class _Asset:
    """What has a target: an asset, or the success of a DAG.

    Attributes:
        paused: Whether all its makers are.
    """

    target: FreshnessTarget
    name: str
    tier: str
    team: str
    paused: bool

    @classmethod
    def of(cls, target: FreshnessTarget, name: str, makers: Iterable[str], fleet: Fleet) -> _Asset:
        known = [fleet.dags[maker] for maker in makers if maker in fleet.dags]
        return cls(target, name, *_owner(known), bool(known) and all(dag.paused for dag in known))


class AssetsCollector:
    """Reads the last update of the assets, and the last success of the DAGs, that have targets."""

    name = "assets"
    interval = 15.0
    timeout = 10.0

    def __init__(
        self,
        database: MetadataDatabase,
        registry: DagRegistry,
        targets: Sequence[FreshnessTarget],
        clock: Clock,
        successes: Successes | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._targets = tuple(targets)
        self._clock = clock
        self._successes = successes or Successes(clock)
        #: `dag_id` → when its last success was read (elapsed seconds), and what was read.
        self._read: dict[str, tuple[float, datetime | None]] = {}
        #: The DAGs that have a target, and the reading of all DAGs that this follows from.
        self._with_target: tuple[Fleet | None, Mapping[str, _Asset]] = (None, {})
        #: Assets that were past their target at the look before; None before the first.
        self._late: set[str] | None = None
        self._breaches = Counter("airwarden_sla_breaches_total")

    def collect(self) -> Sequence[Family]:
        """Return updates, targets and breaches; all are absent while every maker is paused."""
        now = self._clock.now()
        fleet = self._registry.fleet()
        updates: dict[Labels, float] = {}
        ages: dict[Labels, float] = {}
        risk: dict[Labels, float] = {}
        late: set[str] = set()
        for asset, updated in [*self._assets(fleet), *self._dags(fleet)]:
            if updated is None or asset.paused:
                continue
            name, target, place = asset.name, asset.target, (KIND, asset.tier, asset.team)
            moment = counted_from(updated, now, target)
            updates[name, asset.tier, asset.team] = round(moment.timestamp(), 3)
            ages[(name,)] = target.seconds
            share = (now - moment).total_seconds() / max(target.seconds, 1.0)
            if place not in risk:
                self._breaches.born([place])
                risk[place] = 0
            if share > 1.0:
                late.add(name)
                if self._late is not None and name not in self._late:
                    self._breaches.add(place)
            elif share > AT_RISK:
                risk[place] += 1
        self._late = late
        teams = self._registry.teams()
        self._breaches.retire(lambda place: place[-1] in teams)
        return [
            gauge("airwarden_asset_last_update_timestamp_seconds", updates),
            gauge("airwarden_asset_freshness_sla_seconds", ages),
            self._breaches.family(),
            gauge("airwarden_sla_at_risk", risk),
        ]

    def _assets(self, fleet: Fleet) -> list[tuple[_Asset, datetime | None]]:
        wanted = {target.subject: target for target in self._targets if not target.is_dag}
        if not wanted:
            return []
        rows: Sequence[Mapping[str, Any]] = self._database.rows("assets", names=sorted(wanted))
        found: list[tuple[_Asset, datetime | None]] = []
        for row in rows:
            target = wanted.get(row["name"]) or wanted[row["uri"]]
            made = _Asset.of(target, target.subject, row["makers"] or (), fleet)
            found.append((made, row["updated"]))
        return found

    def _dags(self, fleet: Fleet) -> list[tuple[_Asset, datetime | None]]:
        if self._with_target[0] is not fleet:
            self._with_target = (fleet, self._targets_of(fleet))
        wanted = self._with_target[1]
        if not wanted:
            return []
        self._read_successes(wanted)
        return [
            (asset, self._successes.latest(dag_id, self._read[dag_id][1]))
            for dag_id, asset in wanted.items()
            if dag_id in self._read
        ]

    def _targets_of(self, fleet: Fleet) -> Mapping[str, _Asset]:
        """Return the DAGs with a target, by name: as a tag says it, or as the operator does."""
        targets = {
            dag_id: FreshnessTarget(dag_id, seconds, is_dag=True)
            for dag_id, sla in fleet.with_sla.items()
            if (seconds := seconds_of(sla))
        } | {target.subject: target for target in self._targets if target.is_dag}
        return {
            dag_id: _Asset.of(target, f"dag:{dag_id}", (dag_id,), fleet)
            for dag_id, target in sorted(targets.items())
        }

    def _read_successes(self, wanted: Mapping[str, _Asset]) -> None:
        """Read the last successes of those DAGs of which nobody else will tell."""
        self._read = {dag_id: read for dag_id, read in self._read.items() if dag_id in wanted}
        since = self._successes.since
        unsure = [
            dag_id
            for dag_id in wanted
            if since is None or dag_id not in self._read or self._read[dag_id][0] < since
        ]
        if unsure:
            now = self._clock.elapsed()
            for row in self._database.rows("last_successes", dags=unsure):
                self._read[row["dag_id"]] = (now, row["updated"])


def counted_from(updated: datetime, now: datetime, target: FreshnessTarget) -> datetime:
    """Return the moment from which an asset's age counts.

    It is its last update, moved on by the time since then that lies on days when none is due.
    """
    if len(target.days) == 7 or updated >= now:
        return updated
    zone = ZoneInfo(target.timezone)
    free = timedelta(0)
    begin = max(updated, now - timedelta(days=_MAX_DAYS)).astimezone(zone)
    while begin.astimezone(UTC) < now:
        midnight = (begin + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        end = min(midnight.astimezone(UTC), now)
        if begin.weekday() not in target.days:
            free += end - begin.astimezone(UTC)
        begin = midnight
    return updated + free


def _owner(makers: Sequence[DagLabels]) -> tuple[str, str]:
    """Return tier and team of the most important maker."""
    if not makers:
        return UNSET, UNSET
    first = min(makers, key=lambda dag: (_RANKS.get(dag.tier, len(_RANKS)), dag.team))
    return first.tier, first.team
