"""The `Statsd` port: a UDP socket of ours that takes what Airflow reports, and passes it on.

Some things only Airflow itself can tell (how long a scheduler's loop takes, who adopted whose tasks), and
StatsD is how it tells them by default. A datagram is passed on as it came, before it is read, so that
what listened before keeps listening. Memory is bounded: only names that somebody asked for are kept,
up to a number, and what was dropped is counted.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import StatsdCounts, StatsdSample

#: Largest UDP datagram.
_DATAGRAM = 65_535
#: How often the reading thread looks whether it is to end, in seconds.
_LOOK = 0.2
_KINDS = {"c": "counter", "g": "gauge", "ms": "timer"}


class StatsdListener:
    """Listens for StatsD datagrams in a thread of its own.

    Args:
        host: Address to bind.
        port: Port; 0 for a free one.
        wanted: Beginnings of names, after the prefix, that are kept.
        prefix: What Airflow puts before every name (`metrics.statsd_prefix`).
        forward: Host and port that every datagram is passed on to, unread; None for nobody.
        keep: Samples that are held until they are taken; more are dropped, the newest first.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        wanted: Collection[str],
        prefix: str = "airflow",
        forward: tuple[str, int] | None = None,
        keep: int = 50_000,
    ) -> None:
        self._address = (host, port)
        self._wanted = tuple(f"{prefix}.{name}" if prefix else name for name in wanted)
        self._cut = len(prefix) + 1 if prefix else 0
        self._forward = forward
        self._target: tuple[str, int] | None = None
        self._keep = keep
        self._lock = threading.Lock()
        self._samples: deque[StatsdSample] = deque()
        self._counts = StatsdCounts()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on; 0 while it does not."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    def open(self) -> None:
        """Begin to listen; does nothing when it listens already.

        Raises:
            UnavailableError: The address is taken, or is none of this machine.
        """
        if self._socket is not None or self._stop.is_set():
            return
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.bind(self._address)
        except OSError as error:
            sock.close()
            where = f"{self._address[0]}:{self._address[1]}"
            raise UnavailableError(f"cannot listen for StatsD on {where}: {error}") from None
        sock.settimeout(_LOOK)
        self._socket = sock
        self._thread = threading.Thread(
            target=self._listen, args=(sock,), name="statsd", daemon=True
        )
        self._thread.start()

    def drain(self) -> Sequence[StatsdSample]:
        """Take what came since the time before, in its order.

        Raises:
            UnavailableError: It does not listen, and cannot.
        """
        self.open()
        with self._lock:
            taken = tuple(self._samples)
            self._samples.clear()
        return taken

    def counts(self) -> StatsdCounts:
        """Return what was counted since it began to listen."""
        with self._lock:
            return self._counts

    def close(self) -> None:
        """Stop listening; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        if self._socket is not None:
            self._socket.close()

    def _listen(self, sock: socket.socket) -> None:
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if self._forward else None
        try:
            while not self._stop.is_set():
                try:
                    data, sender = sock.recvfrom(_DATAGRAM)
                except TimeoutError:
                    continue
                except OSError:  # an ICMP error for a datagram of ours; the socket goes on
                    continue
                passed_on = out is not None and self._pass_on(out, data)
                self._take(data, str(sender[0]), passed_on)
        finally:
            if out is not None:
                out.close()

    def _pass_on(self, out: socket.socket, data: bytes) -> bool:
        """Send a datagram on as it came; nobody there is no reason to stop."""
        with contextlib.suppress(OSError):
            if self._target is None and self._forward is not None:
                host, port = self._forward
                found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
                self._target = (str(found[0][4][0]), port)
            if self._target is not None:
                out.sendto(data, self._target)
                return True
        return False

    def _take(self, data: bytes, sender: str, passed_on: bool) -> None:
        samples, malformed, dropped = [], 0, 0
        for line in data.decode("utf-8", "replace").splitlines():
            if not line.startswith(self._wanted):
                continue
            sample = parse(line[self._cut :], sender)
            if sample is None:
                malformed += 1
            else:
                samples.append(sample)
        with self._lock:
            room = self._keep - len(self._samples)
            dropped = max(0, len(samples) - room)
            self._samples.extend(samples[:room])
            before = self._counts
            self._counts = replace(
                before,
                datagrams=before.datagrams + 1,
                malformed=before.malformed + malformed,
                dropped=before.dropped + dropped,
                forwarded=before.forwarded + passed_on,
            )


def parse(line: str, sender: str) -> StatsdSample | None:
    """Return one line's sample, None for one that is none.

    Tags are left out, DogStatsD's (`|#name:value`) as well as InfluxDB's (`name,tag=value`).

    Args:
        line: `name:value|kind`, perhaps with `|@rate`.
        sender: Whose it is.
    """
    name, colon, rest = line.partition(":")
    value, _, tail = rest.partition("|")
    kind, *more = tail.split("|")
    rates = [part[1:] for part in more if part.startswith("@")]
    try:
        number, rate = float(value), float(rates[0]) if rates else 1.0
    except ValueError:
        return None
    if not colon or kind not in _KINDS or not math.isfinite(number) or not 0 < rate <= 1:
        return None
    relative = kind == "g" and value[:1] in "+-"
    return StatsdSample(name.partition(",")[0], _KINDS[kind], number, rate, sender, relative)
