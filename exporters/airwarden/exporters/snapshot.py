"""The last rendered families of every collector."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from airwarden.exporters.caps import SeriesCap
from airwarden.exporters.exposition import Block, Renderer
from airwarden.exporters.families import Family


class Snapshot:
    """Rendered families by cluster and collector; safe for threads.

    What changed is rendered in its collector's thread; the rest stays as it was rendered before.

    Args:
        cap: How many series there may be.
    """

    def __init__(self, cap: SeriesCap | None = None) -> None:
        self._cap = cap or SeriesCap()
        self._lock = threading.Lock()
        self._blocks: dict[tuple[str, str], tuple[Block, ...]] = {}
        self._renderers: dict[tuple[str, str], Renderer] = {}

    def publish(self, cluster: str, collector: str, families: Sequence[Family]) -> None:
        """Replace what one collector of one cluster has; called by its thread alone."""
        key = (cluster, collector)
        renderer = self._renderers.setdefault(key, Renderer(cluster))
        shown = self._cap.admit(cluster, collector, families)
        blocks = tuple(renderer.render(family) for family in shown)
        with self._lock:
            self._blocks[key] = blocks

    def forget(self) -> None:
        """Drop everything, for a changed configuration."""
        with self._lock:
            self._blocks.clear()
            self._renderers.clear()
        self._cap.forget()

    def blocks(self) -> list[Block]:
        """Return what was last published."""
        with self._lock:
            return [block for group in self._blocks.values() for block in group]
