"""Which schemas of Airflow's metadata database are known, and the queries of each.

Airflow calls its schema internal, and says by Alembic's revision which one a database has. Each folder
under `sql/` belongs to one generation of it and holds the queries that differ there; what a folder lacks
is taken from the next newer one. So a new release that changes nothing for us is one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from airwarden.core.errors import RejectedError

#: Folders of queries, oldest first: each inherits from those after it.
FOLDERS = ("airflow_2_10", "airflow_3_0", "airflow_3_1", "airflow_3_3")
NEWEST = FOLDERS[-1]
DOCUMENTATION = "docs/reference/airflow-versions.md"


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema of Airflow's metadata database.

    Attributes:
        revision: Alembic's revision.
        releases: Airflow's releases that have it.
        folder: Where its queries begin.
    """

    revision: str
    releases: str
    folder: str


#: By revision, oldest first; each was tested on a schema that the release's own migration made.
SCHEMAS = {
    schema.revision: schema
    for schema in (
        Schema("22ed7efa9da2", "2.10.0 to 2.10.2", "airflow_2_10"),
        Schema("5f2621c13b39", "2.10.3 to 2.11", "airflow_2_10"),
        Schema("29ce7909c52b", "3.0.0 to 3.0.2", "airflow_3_0"),
        Schema("fe199e1abd77", "3.0.3 to 3.0.6", "airflow_3_0"),
        Schema("cc92b33c6709", "3.1.0 to 3.1.7", "airflow_3_1"),
        Schema("509b94a1042d", "3.1.8", "airflow_3_1"),
        Schema("1d6611b6ab7c", "3.2", "airflow_3_3"),
        Schema("d2f4e1b3c5a7", "3.3", "airflow_3_3"),
    )
}


def releases_of(folder: str) -> str:
    """Return the releases of Airflow whose schemas begin in a folder."""
    return ", ".join(schema.releases for schema in SCHEMAS.values() if schema.folder == folder)


@lru_cache(maxsize=1024)
def query_text(folder: str, name: str) -> str:
    """Return the text of a named query as it is for a schema.

    Args:
        folder: One of `FOLDERS`.
        name: The `.sql` file's name without its ending.

    Raises:
        RejectedError: There is no such query.
    """
    sql = resources.files("airwarden.adapters") / "sql"
    for place in FOLDERS[FOLDERS.index(folder) :]:
        file = sql / place / f"{name}.sql"
        if file.is_file():
            return file.read_text()
    raise RejectedError(f"there is no query {name}")


def schema_of(revision: str) -> Schema:
    """Return the schema of a revision.

    Raises:
        RejectedError: It is not known here; the message names it and says what to do.
    """
    found = SCHEMAS.get(revision)
    if found is None:
        known = "; ".join(f"{s.releases} ({s.revision})" for s in SCHEMAS.values())
        raise RejectedError(
            f"the metadata database has schema revision {revision}, which this version of Airwarden"
            f" does not know, so nothing is read from it. It reads Airflow {known}. Install a version"
            " of Airwarden that knows yours, or remove metadata_database to measure over REST alone"
        )
    return found


def grants(role: str, folder: str = NEWEST) -> str:
    """Return the SQL that lets an existing role observe, and nothing more.

    Args:
        role: The role's name; quoted here.
        folder: The schema's, one of `FOLDERS`.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    return query_text(folder, "grants").replace("%(role)s", quoted)
