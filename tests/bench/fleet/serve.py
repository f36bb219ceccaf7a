"""The exporter with the metadata database alone; run as `serve.py DSN`, prints its port, ends by SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig

#: What the line begins with that tells the port; the log is on the same stream.
PORT = "PORT "


def main(dsn: str) -> None:
    """Serve until the end is asked for."""
    database = PostgresMetadata(dsn)
    database.open()
    cluster = ClusterSources("bench", database=database)
    exporter = Exporter([cluster], ExporterConfig(port=0, own_process=True), SystemClock())
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    exporter.start()
    sys.stdout.write(f"{PORT}{exporter.port}\n")
    sys.stdout.flush()
    ended.wait()
    exporter.stop()
    database.close()


if __name__ == "__main__":
    main(sys.argv[1])
