"""The last rendered families of every collector, joined into a page at a scrape."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Sequence

from airwarden.exporters.caps import SeriesCap
from airwarden.exporters.exposition import Block, Renderer, page
from airwarden.exporters.families import Family

_GZIP = 16 + zlib.MAX_WBITS
#: Seconds for which a page may be served while a newer one is being joined.
FRESH = 2.0


class Page:
    """A joined page body, to be completed at each scrape by what changes with it.

    The compressor is kept after the body, so that a scrape compresses its short end only, into one
    gzip member: curl and others read no second one.

    Args:
        body: The page without its end.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._compressor = zlib.compressobj(level=1, wbits=_GZIP)
        self._compressed = self._compressor.compress(body)

    def text(self, end: bytes) -> bytes:
        """Return the whole page."""
        return self._body + end

    def gzipped(self, end: bytes) -> bytes:
        """Return the whole page, compressed by gzip."""
        compressor = self._compressor.copy()
        return self._compressed + compressor.compress(end) + compressor.flush()


class Snapshot:
    """Rendered families by cluster and collector; safe for threads.

    Rendering happens in the collector's thread, joining and compressing once per change at the first
    scrape that sees it: neither waits for a system that is being observed.

    Args:
        cap: How many series there may be.
    """

    def __init__(self, cap: SeriesCap | None = None) -> None:
        self._cap = cap or SeriesCap()
        self._lock = threading.Lock()
        self._blocks: dict[tuple[str, str], tuple[Block, ...]] = {}
        self._renderers: dict[tuple[str, str], Renderer] = {}
        self._version = 0
        self._join_lock = threading.Lock()
        self._joined: dict[bool, tuple[int, float, Page]] = {}
        self._render_seconds = 0.0

    @property
    def render_seconds(self) -> float:
        """Seconds that the last joining took, compression included."""
        return self._render_seconds

    def publish(self, cluster: str, collector: str, families: Sequence[Family]) -> None:
        """Replace what one collector of one cluster has; called by its thread alone."""
        key = (cluster, collector)
        renderer = self._renderers.setdefault(key, Renderer(cluster))
        shown = self._cap.admit(cluster, collector, families)
        blocks = tuple(renderer.render(family) for family in shown)
        with self._lock:
            self._blocks[key] = blocks
            self._version += 1

    def forget(self) -> None:
        """Drop everything, for a changed configuration."""
        with self._lock:
            self._blocks.clear()
            self._renderers.clear()
            self._version += 1
        self._cap.forget()

    def body(self, *, openmetrics: bool) -> Page:
        """Return the page of what was last published.

        While one scrape joins it, others that come at once get the page before, if that is fresh.
        """
        with self._lock:
            version = self._version
            blocks = [block for group in self._blocks.values() for block in group]
        known = self._joined.get(openmetrics)
        if known is not None and known[0] >= version:
            return known[2]
        if known is not None and time.monotonic() - known[1] < FRESH:
            if not self._join_lock.acquire(blocking=False):
                return known[2]
        else:
            self._join_lock.acquire()
        try:
            known = self._joined.get(openmetrics)
            if known is not None and known[0] >= version:
                return known[2]
            begun = time.perf_counter()
            joined = Page(page(blocks, openmetrics=openmetrics).encode())
            self._render_seconds = time.perf_counter() - begun
            self._joined[openmetrics] = (version, time.monotonic(), joined)
            return joined
        finally:
            self._join_lock.release()
