"""The exporter as one object: collectors, snapshot, server, reload."""

from __future__ import annotations

import gc
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.ports import Lease
from airwarden.exporters.caps import MAX_SERIES, SeriesCap
from airwarden.exporters.collector import CollectorRunner, Timing
from airwarden.exporters.collectors import collectors_for
from airwarden.exporters.door import Door
from airwarden.exporters.exposition import Block, Renderer, page
from airwarden.exporters.families import Counter, Family, Labels, foreign_counter, gauge
from airwarden.exporters.mapped import LeftOut
from airwarden.exporters.negotiation import Format
from airwarden.exporters.rendering import Rendering, gzipped
from airwarden.exporters.server import MetricsServer, Post, Posted, Reply, Routes
from airwarden.exporters.snapshot import Snapshot
from airwarden.exporters.sources import ClusterSources
from airwarden.exporters.standby import Standby

_log = structlog.get_logger(__name__)
#: Seconds that all collects under way have to end when they are stopped.
_GRACE = 5.0
#: Multiples of it, without their whole part, leave no large gap between them.
_GOLDEN = 0.618034
#: The `cluster` of what concerns the exporter itself and no platform.
OWN_CLUSTER = "airwarden"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A configuration that was read again.

    Attributes:
        clusters: What is to be observed from now on.
        timings: Collector name → the operator's changes.
        restart_for: Keys that changed and take effect at the next start.
    """

    clusters: Sequence[ClusterSources]
    timings: Mapping[str, Timing] = field(default_factory=dict)
    restart_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExporterConfig:
    """How the exporter runs.

    Attributes:
        host: Address to listen on.
        port: Port; 0 for a free one.
        timings: Collector name → the operator's changes.
        reload: Reads the configuration again; raises AirwardenError when it is refused. None: reloading
            changes nothing.
        max_series: Most series of the page; what comes beyond is left out and counted.
        door: Who may read metrics and order a reload; None is open to whoever reaches the address.
        tls: Certificate and key; None speaks plain HTTP.
        posts: Path → what takes bodies there.
        reads: Path → what else is to be read there.
        lease: Says which of several exporters is active; None: this is the only one.
        own_process: Whether nothing else runs in this process. What the first collects leave behind (the
            fleet's labels, the lines of the page) lives on, and is then out of the garbage collector's
            way: a walk over all of it holds up every scrape meanwhile.
    """

    host: str = "127.0.0.1"
    port: int = 9810
    timings: Mapping[str, Timing] = field(default_factory=dict)
    reload: Callable[[], Reloaded] | None = None
    max_series: int = MAX_SERIES
    door: Door | None = None
    tls: Callable[[], ssl.SSLContext] | None = None
    posts: Mapping[str, Post] = field(default_factory=dict)
    reads: Mapping[str, Callable[[str], Reply]] = field(default_factory=dict)
    lease: Lease | None = None
    own_process: bool = False


class Exporter:
    """Collects from clusters and serves `/metrics`.

    Args:
        clusters: What to observe.
        settings: How.
        clock: Time.
    """

    def __init__(
        self, clusters: Sequence[ClusterSources], settings: ExporterConfig, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._cap = SeriesCap(settings.max_series)
        self._snapshot = Snapshot(self._cap)
        self._lock = threading.Lock()  # one change of what is collected at a time
        self._stopped = threading.Event()
        self._runners: list[tuple[str, CollectorRunner]] = []
        self._clusters = tuple(clusters)
        self._timings = settings.timings
        self._reload_ok = True
        self._reloaded_at = clock.now().timestamp()
        self._unsettled = False
        self._renderers: dict[str, Renderer] = {}
        self._rendering = Rendering(self._compose, clock)
        lease = settings.lease
        self._standby = Standby(lease, begin=self._take_over, end=self._give_up) if lease else None
        self._server: MetricsServer | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        if self._server is None:
            raise RuntimeError("the exporter has not been started")
        return self._server.port

    def start(self) -> None:
        """Listen, and begin to collect.

        Raises:
            OSError: The address is taken.
            WrongInputError: The certificate cannot be used.
        """
        settings = self._settings
        routes = Routes(
            metrics=self._page,
            ready=self._why_not_ready,
            reload=self.reload,
            door=settings.door,
            posts={path: self._while_active(post) for path, post in settings.posts.items()},
            reads=settings.reads,
        )
        self._server = MetricsServer(settings.host, settings.port, routes, tls=settings.tls)
        if self._standby is not None:
            self._standby.start()
        else:
            self._begin()
        self._rendering.start()
        self._server.start()
        _log.info("exporter listens", host=self._settings.host, port=self._server.port)

    def run(self) -> None:
        """Start, and return when `stop` was called."""
        self.start()
        self._stopped.wait()

    def stop(self) -> None:
        """Stop listening and collecting; safe to call twice."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._server is not None:
            self._server.stop()
        self._rendering.stop()
        if self._standby is not None:
            self._standby.stop()
        self._end()

    def reload(self) -> Reply:
        """Read the configuration again; return what became of it, in words.

        A refused configuration leaves the old one in force. An accepted one begins collecting anew:
        counters start at 0, which Prometheus takes as an ordinary reset.
        """
        with self._lock:
            reply = self._reload()
        self._rendering.refresh()
        return reply

    def _reload(self) -> Reply:
        if self._settings.reload is None:
            return Reply(200, b"reloaded\n")
        try:
            now = self._settings.reload()
        except AirwardenError as error:
            self._reload_ok = False
            _log.error("configuration refused, the old one stays in force", error=str(error))
            return Reply(500, f"{error}\n".encode())
        collects = bool(self._runners) or self._standby is None
        self._end()
        self._clusters, self._timings = tuple(now.clusters), now.timings
        self._reload_ok = True
        self._reloaded_at = self._clock.now().timestamp()
        if collects:
            self._begin()
        later = ", ".join(now.restart_for)
        if later:
            _log.warning("these settings take effect at the next start", keys=list(now.restart_for))
        rest = f"; at the next start: {later}" if later else ""
        return Reply(200, f"reloaded{rest}\n".encode())

    def _take_over(self) -> None:
        with self._lock:
            self._begin()
        self._rendering.refresh()

    def _give_up(self) -> None:
        with self._lock:
            self._end()
        self._rendering.refresh()

    def _page(self, form: Format, zipped: bool) -> bytes:
        """Return what was rendered; asked for each scrape whether it may be shown at this moment."""
        if self._serves:
            return self._rendering.get(form.openmetrics, zipped)
        own = Renderer(OWN_CLUSTER)
        blocks = [own.render(family) for family in self._own_families()]
        body = page(blocks, openmetrics=form.openmetrics).encode()
        return gzipped(body) if zipped else body

    def _while_active(self, post: Post) -> Post:
        """Let a standby send the sender elsewhere: what it took would be shown by nobody."""

        def answer(request: Posted) -> Reply:
            if self._serves:
                return post.answer(request)
            text = b"this exporter stands by: send it to the active one\n"
            return Reply(503, text, headers={"Retry-After": "5"})

        return replace(post, answer=answer)

    @property
    def _serves(self) -> bool:
        return self._standby is None or self._standby.serves

    def _compose(self, openmetrics: bool) -> str:
        if self._unsettled and self._runners and not self._why_not_ready():
            self._unsettled = False
            gc.freeze()  # without a walk over all of it first: that would hold up the scrapes that begin now
        return page(self._snapshot.blocks() + self._own_blocks(), openmetrics=openmetrics)

    def _begin(self) -> None:
        self._runners = []
        self._unsettled = self._settings.own_process
        for cluster in self._clusters:
            mapped = LeftOut(cluster.mapped)
            for collector in collectors_for(cluster, self._clock):
                timing = self._timings.get(collector.name, Timing())
                if timing.enabled and not mapped.whole(collector.name):
                    publish = self._publisher(cluster.name, collector.name, mapped)
                    runner = CollectorRunner(
                        collector,
                        publish,
                        self._clock,
                        timing=timing,
                        phase=phase(len(self._runners)),
                    )
                    self._runners.append((cluster.name, runner))
        for name, runner in self._runners:
            runner.start(name)

    def _end(self) -> None:
        runners, self._runners = self._runners, []
        for _, runner in runners:
            runner.stop(within=0.0)
        until = self._clock.elapsed() + _GRACE
        for _, runner in runners:
            runner.stop(within=max(0.0, until - self._clock.elapsed()))
        self._snapshot.forget()

    def _publisher(
        self, cluster: str, collector: str, mapped: LeftOut
    ) -> Callable[[Sequence[Family]], None]:
        return lambda families: self._snapshot.publish(cluster, collector, mapped.rest(families))

    def _why_not_ready(self) -> str:
        """Return which collectors have not yet ended a first collect, or are overdue."""
        missing = [f"{c}/{r.name}" for c, r in self._runners if not r.status().ran]
        return f"first collect not done: {', '.join(missing)}" if missing else ""

    def _own_blocks(self) -> list[Block]:
        blocks: list[Block] = []
        for cluster in sorted({name for name, _ in self._runners}):
            blocks += self._rendered(cluster, self._collector_families(cluster))
        return blocks + self._rendered(OWN_CLUSTER, self._own_families())

    def _rendered(self, cluster: str, families: Sequence[Family]) -> list[Block]:
        renderer = self._renderers.setdefault(cluster, Renderer(cluster))
        return [renderer.render(family) for family in families]

    def _collector_families(self, cluster: str) -> list[Family]:
        success: dict[Labels, float] = {}
        duration: dict[Labels, float] = {}
        last: dict[Labels, float] = {}
        lags: dict[Labels, float] = {}
        timeouts = Counter("airwarden_collector_timeouts_total")
        ages: list[float] = []
        for name, runner in self._runners:
            status = runner.status()
            if name != cluster or not status.ran:
                continue
            labels = (runner.name,)
            success[labels] = int(status.success)
            duration[labels] = round(status.duration, 6)
            last[labels] = round(status.last_success, 3)
            timeouts.add(labels, status.timeouts)
            if status.age is not None:
                ages.append(status.age)
            if status.lag is not None:
                lags[labels] = round(status.lag, 3)
        families = [
            gauge("airwarden_collector_success", success),
            gauge("airwarden_collector_duration_seconds", duration),
            gauge("airwarden_collector_last_success_timestamp_seconds", last),
            gauge("airwarden_collector_source_lag_seconds", lags),
            timeouts.family(),
            gauge("airwarden_series", {(m,): n for m, n in self._cap.held(cluster).items()}),
            foreign_counter(
                "airwarden_series_dropped_total",
                {(m,): n for m, n in self._cap.dropped(cluster).items()},
            ),
        ]
        if ages:
            families.append(gauge("airwarden_snapshot_age_seconds", round(min(ages), 3)))
        return families

    def _own_families(self) -> list[Family]:
        return [
            gauge("airwarden_build_info", {(_version(),): 1}),
            gauge("airwarden_leader", int(self._serves)),
            gauge("airwarden_config_reload_success", int(self._reload_ok)),
            gauge("airwarden_config_last_reload_timestamp_seconds", round(self._reloaded_at, 3)),
            gauge("airwarden_render_duration_seconds", round(self._rendering.seconds, 6)),
        ]


def phase(number: int) -> float:
    """Return how much of its interval a collector lets pass after its first collect: however many there are, they
    are spread over it, so that neither the database nor this process has everything to do at once.
    """
    return (number * _GOLDEN) % 1.0 or 1.0


def _version() -> str:
    try:
        return version("airwarden")
    except PackageNotFoundError:
        return "unknown"
