"""Airflow's schema, release by release, as each release's own migration makes it.

`make schemas` installs every release that has a schema of its own into `.cache/airflow/VERSION`, lets it
migrate an empty database, and writes the tables that Airwarden reads to `tests/data/airflow_schemas/`.
Tests load those files, since several Airflows are too much to install for `make test`; the reliability
tests make them again and compare.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from airwarden.adapters.metadata_schemas import FOLDERS, query_text
from support.postgres import ROOT, Database, PostgresServer, migrate

#: The newest release of each schema that is supported, and what its migration leaves as revision.
RELEASES = {
    "2.10.2": "22ed7efa9da2",
    "2.11.2": "5f2621c13b39",
    "3.0.2": "29ce7909c52b",
    "3.0.6": "fe199e1abd77",
    "3.1.7": "cc92b33c6709",
    "3.1.8": "509b94a1042d",
    "3.2.2": "1d6611b6ab7c",
    "3.3.2": "d2f4e1b3c5a7",
}
FILES = ROOT / "tests" / "data" / "airflow_schemas"
#: What a grant may name that a dump of tables has to hold.
_TABLES = re.compile(r"\bON\s+([a-z_,\s]+?)\s+TO\b", re.DOTALL)
_NOISE = re.compile(r"(--.*|SET .*;|SELECT pg_catalog\.set_config.*|\\.*|)")


def schema_file(version: str) -> Path:
    """Return the file that holds a release's tables."""
    return FILES / f"{version}.sql"


def environment(version: str) -> Path:
    """Return a virtual environment that holds a release of Airflow; make it where there is none."""
    folder = ROOT / ".cache" / "airflow" / version
    if (folder / "bin" / "airflow").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    subprocess.run(
        [str(ROOT / ".venv" / "bin" / "uv"), "pip", "install", "--quiet", "--python",
         str(folder / "bin" / "python"), f"apache-airflow=={version}", "psycopg2-binary", "asyncpg", "statsd"],
        check=True,
    )  # fmt: skip
    return folder


def tables_read() -> set[str]:
    """Return every table that the observing role is granted on some release."""
    found: set[str] = set()
    for folder in FOLDERS:
        for names in _TABLES.findall(query_text(folder, "grants")):
            found |= {name.strip() for name in names.split(",")}
    return found


def tables_sql(server: PostgresServer, database: Database, tables: Iterable[str]) -> str:
    """Return these tables' definitions, without foreign keys, and the schema's revision."""
    present = {str(row[0]) for row in database.execute("SELECT tablename FROM pg_tables")}
    chosen = [f"--table={name}" for name in sorted(set(tables) & present)]
    text = server.dump(database, "--schema-only", "--no-privileges", *chosen)
    lines = [line for line in text.splitlines() if not _NOISE.fullmatch(line)]
    statements = "\n".join(lines).replace("public.", "").split(";\n")
    kept = [one.rstrip(";\n") for one in statements if "FOREIGN KEY" not in one and one.strip()]
    revision = database.execute("SELECT version_num FROM alembic_version")[0][0]
    kept.append(f"INSERT INTO alembic_version VALUES ('{revision}')")
    return ";\n".join(kept) + ";\n"


def make_file(server: PostgresServer, version: str) -> str:
    """Migrate an empty database by a release's own means and return its tables' definitions."""
    database = server.fresh()
    try:
        migrate(environment(version), database)
        return tables_sql(server, database, tables_read())
    finally:
        server.drop(database)


def main() -> None:
    """Write every release's file."""
    server = PostgresServer()
    try:
        for version in RELEASES:
            print(f"schemas: Airflow {version}", flush=True)
            schema_file(version).write_text(
                f"-- Airflow {version}: the tables that Airwarden reads. Made by `make schemas`.\n"
                + make_file(server, version)
            )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
