"""The page as bytes, made before it is asked for and compressed once however many scrapers take it.

A thread makes it anew every second, in the forms that somebody asks for. A scrape takes what is there: it
neither waits for a system that is being observed nor renders anything, but for the first of its kind.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from airwarden.core.clock import Clock

_log = structlog.get_logger(__name__)
#: Seconds between two renderings, at least; so many times its duration; and at most.
PERIOD, _SHARE, _LONGEST = 1.0, 20.0, 5.0
#: Seconds after which a page is too old to be served: the thread that makes it was held up.
STALE = 10.0
#: Seconds for which a form is made that nobody asks for any more.
WANTED = 300.0
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class _Page:
    plain: bytes
    zipped: bytes | None
    made_at: float


class Rendering:
    """Keeps the page rendered; safe for threads.

    Args:
        compose: Returns the whole page; called with whether it is to be OpenMetrics.
        clock: Time.
    """

    def __init__(self, compose: Callable[[bool], str], clock: Clock) -> None:
        self._compose = compose
        self._clock = clock
        self._lock = threading.Lock()  # one rendering at a time
        self._pages: dict[bool, _Page] = {}
        self._asked: dict[tuple[bool, bool], float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="rendering", daemon=True)
        #: Seconds that the last rendering took, compression included.
        self.seconds = 0.0

    def start(self) -> None:
        """Begin to render."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def get(self, openmetrics: bool, zipped: bool) -> bytes:
        """Return the page in one form."""
        self._asked[openmetrics, zipped] = self._clock.elapsed()
        found = self._kept(openmetrics, zipped)
        if found is not None:
            return found
        with self._lock:
            found = self._kept(openmetrics, zipped)  # another scrape may have made it meanwhile
            if found is None:
                self._make(openmetrics)
                found = self._kept(openmetrics, zipped)
        if found is None:
            raise RuntimeError("a page that was just made is not there")
        return found

    def refresh(self) -> None:
        """Make the page anew now, in every form that is asked for."""
        with self._lock:
            for openmetrics in sorted({form for form, zipped in self._wanted()}):
                self._make(openmetrics)

    def _kept(self, openmetrics: bool, zipped: bool) -> bytes | None:
        page = self._pages.get(openmetrics)
        if page is None or self._clock.elapsed() - page.made_at > STALE:
            return None
        return page.zipped if zipped else page.plain

    def _make(self, openmetrics: bool) -> None:
        made_at, begun = self._clock.elapsed(), time.perf_counter()
        plain = self._compose(openmetrics).encode()
        zipped = gzipped(plain) if (openmetrics, True) in self._wanted() else None
        self._pages[openmetrics] = _Page(plain, zipped, made_at)
        self.seconds = time.perf_counter() - begun

    def _wanted(self) -> set[tuple[bool, bool]]:
        now = self._clock.elapsed()
        return {form for form, at in list(self._asked.items()) if now - at <= WANTED}

    def _loop(self) -> None:
        pause = PERIOD
        while not self._stopped.wait(pause):
            begun = time.perf_counter()
            try:
                self.refresh()
            except Exception as error:  # the next scrape tries again, and shows it
                _log.error("rendering failed", error=repr(error), exc_info=error)
            # What rendering takes of the processor stays below a twentieth, however large the page.
            pause = min(_LONGEST, max(PERIOD, _SHARE * (time.perf_counter() - begun)))


def gzipped(plain: bytes) -> bytes:
    """Return a page compressed, quickly rather than well."""
    compressor = zlib.compressobj(level=1, wbits=_GZIP)
    return compressor.compress(plain) + compressor.flush()
