"""Filled fleets, kept: a server's data folder under `.cache/`, in which each fleet is a template.

Filling the full size takes minutes, copying it seconds. A fleet's name changes with what fills it, so
that no old one is taken for a new one. One process at a time can have the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.fleet.fill import Say, age, fill
from bench.fleet.shape import Shape
from support.postgres import ROOT, Database, PostgresServer

#: As a small production server has them, so that plans and buffers are those of one.
_SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "6GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "pg_stat_statements.track": "all",
    "track_io_timing": "on",
}


@contextmanager
def fleet_server(folder: Path = ROOT / ".cache" / "fleet") -> Iterator[PostgresServer]:
    """A running server with the fleets that were kept."""
    server = PostgresServer(folder, _SETTINGS)
    try:
        yield server
    finally:
        server.stop()


def kept(server: PostgresServer, shape: Shape, say: Say = lambda _: None) -> Database:
    """Return the template of a fleet; filled now if there is none. Not to be changed: see `copy`."""
    name = f"fleet_{shape.key}_{fingerprint()}"
    if name in server.names():
        return Database(name, server.port)
    unfinished = Database(f"{name}_unfinished", server.port)
    server.drop(unfinished)
    server.fresh("airflow", unfinished.name)
    fill(unfinished.dsn, shape, say)
    return server.rename(unfinished, name)


@contextmanager
def copy(server: PostgresServer, shape: Shape, say: Say = lambda _: None) -> Iterator[Database]:
    """A copy of a fleet for one use, brought to the present."""
    template = kept(server, shape, say)
    name = f"use_of_{template.name}"
    server.drop(Database(name, server.port))
    database = server.create(name, template.name)
    try:
        age(database.dsn)
        database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        yield database
    finally:
        server.drop(database)


def fingerprint() -> str:
    """Return what changes with everything that decides what a fleet holds."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in [here / "fill.py", here / "shape.py", *sorted(here.glob("sql/[0-9]_*.sql"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
