"""The `PastOfAirflow` port over psycopg: a month of runs as packed binary values, piece by piece.

Each piece is a read-only transaction of its own, bounded by a statement timeout, selected by primary key:
no long snapshot holds vacuum back, and nothing is sorted or stored on the server. Names come as numbers and
NULL as the earliest moment, so that all rows of a piece have one length; the server packs them into one value,
which becomes arrays at once. A row of its own for each would cost more than all the rest of a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.adapters.metadata_schemas import query_text, schema_of
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.history import PastDag, PastRuns, PastTasks, Progress

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray

#: Runs in one piece.
_RUNS = 50_000
#: Seconds of task attempts in one piece.
_TASKS = 6 * 3600.0
#: Before a moment, so many seconds are looked back for what was open then.
LOOK_BACK = 2 * 86_400.0
#: PostgreSQL's moments count microseconds from 2000-01-01 on.
_EPOCH = 946_684_800.0
_MINUS_INFINITY = -(2**63)
#: Kind of a field → its bytes, and what packs it.
_KINDS = {"i8": (8, "int8send"), "i2": (2, "int2send"), "at": (8, "timestamptz_send")}
_RUN_FIELDS = {
    "dag": "i8", "state": "i2", "run_type": "i2",
    "due": "at", "created": "at", "queued": "at", "started": "at", "ended": "at",
}  # fmt: skip
_TASK_FIELDS = {
    "dag": "i8", "queue": "i8", "pool": "i8", "state": "i2", "retried": "i2",
    "scheduled": "at", "queued": "at", "started": "at", "ended": "at",
}  # fmt: skip


class PostgresHistory:
    """Airflow's metadata database in PostgreSQL, read once with an observing role.

    Args:
        dsn: A libpq URL or keyword string; never printed.
        statement_timeout: Seconds that the server lets one piece run.
    """

    def __init__(self, dsn: str, *, statement_timeout: float = 30.0) -> None:
        self._dsn = libpq_dsn(dsn)
        self._statement_timeout = statement_timeout
        self._schema = ""
        self._numbers: dict[int, int] = {}

    def dags(self) -> Sequence[PastDag]:
        """See the port."""
        with self._connection() as connection:
            rows = self._rows(connection, "past_dags")
        self._numbers = {int(row["number"]): place for place, row in enumerate(rows)}
        return [
            PastDag(
                str(row["dag_id"]),
                tuple(row["tags"] or ()),
                bool(row["is_paused"]),
                bool(row["is_stale"]),
                int(row["max_active_runs"]),
            )
            for row in rows
        ]

    def runs(self, since: float, until: float, progress: Progress) -> PastRuns:
        """See the port; `dags` goes before it."""
        import numpy as np

        pieces = []
        with self._connection() as connection:
            ends = self._rows(connection, "past_run_ids")[0]
            if ends["lowest"] is not None:
                low = self._first_run(connection, ends["lowest"], ends["highest"], since)
                high = int(ends["highest"]) + 1
                for begin in range(low, high, _RUNS):
                    piece = self._packed(
                        connection, "past_runs", _RUN_FIELDS, low=begin, high=begin + _RUNS
                    )
                    pieces.append(self._run_columns(piece, since, until))
                    progress(min(1.0, (begin + _RUNS - low) / (high - low)))
        columns = _joined(pieces)
        if not columns:
            nothing, none = np.empty(0), np.empty(0, dtype=np.int32)
            columns = {n: nothing if k == "at" else none for n, k in _RUN_FIELDS.items()}
        return PastRuns(**columns)

    def tasks(self, since: float, until: float, progress: Progress) -> Iterator[PastTasks]:
        """See the port; `dags` goes before it."""
        import numpy as np

        begin = since - LOOK_BACK / 2
        with self._connection() as connection:
            places = self._rows(connection, "past_places", low=_uuid(until - 86_400.0))
            names = {
                kind: {int(r["number"]): str(r["name"]) for r in places if r["kind"] == kind}
                for kind in ("queue", "pool")
            }
            # Whatever was not seen lately has no name: it is one queue, and one pool.
            queues, pools = ((*names[kind].values(), "other") for kind in ("queue", "pool"))
            at = begin
            while at < until:
                piece = self._packed(
                    connection, "past_tasks", _TASK_FIELDS, low=_uuid(at), high=_uuid(at + _TASKS)
                )
                columns = self._task_columns(piece, names, since)
                at += _TASKS
                progress(min(1.0, (at - begin) / (until - begin)))
                if len(columns["dag"]):
                    columns["retried"] = columns["retried"].astype(np.bool_)
                    yield PastTasks(queues=queues, pools=pools, **columns)

    def _run_columns(
        self, piece: NDArray[Any], since: float, until: float
    ) -> dict[str, NDArray[Any]]:
        import numpy as np

        columns = _columns(piece, _RUN_FIELDS)
        ended = columns["ended"]
        wanted = ~(ended < since) & ~(columns["created"] > until)
        columns = {name: values[wanted] for name, values in columns.items()}
        columns["dag"] = _places(columns["dag"], self._numbers, -1)
        for name in ("state", "run_type"):
            columns[name] = columns[name].astype(np.int32)
        return columns

    def _task_columns(
        self, piece: NDArray[Any], names: Mapping[str, Mapping[int, str]], since: float
    ) -> dict[str, NDArray[Any]]:
        import numpy as np

        columns = _columns(piece, _TASK_FIELDS)
        wanted = ~(columns["ended"] < since)
        columns = {name: values[wanted] for name, values in columns.items()}
        columns["dag"] = _places(columns["dag"], self._numbers, -1)
        for name in ("queue", "pool"):
            numbers = {number: place for place, number in enumerate(names[name])}
            columns[name] = _places(columns[name], numbers, len(numbers))
        for name in ("state", "retried"):
            columns[name] = columns[name].astype(np.int32)
        return columns

    def _first_run(
        self, connection: psycopg.Connection[Any], low: int, high: int, since: float
    ) -> int:
        """Return the first id that is needed, by halving: ids go with the time of their making."""
        since -= LOOK_BACK
        while high - low > 1000:
            middle = (low + high) // 2
            rows = self._rows(connection, "past_run_at", id=middle)
            if rows and float(rows[0]["created"]) < since:
                low = middle
            else:
                high = middle
        return low

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        import psycopg
        from psycopg.rows import dict_row

        try:
            with psycopg.connect(
                self._dsn,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                application_name="airwarden-backtest",
                connect_timeout=10,
            ) as connection:
                self._schema = self._schema or _schema_of(connection)
                yield connection
        except psycopg.errors.InsufficientPrivilege as error:
            raise RejectedError(
                f"the role lacks a grant: {_first_line(error)}; airwarden doctor prints the grants"
            ) from None
        except psycopg.errors.QueryCanceled:
            raise UnavailableError(
                f"the metadata database took more than {self._statement_timeout:g} s for one piece;"
                " give it more with --statement-timeout"
            ) from None
        except psycopg.OperationalError as error:
            raise UnavailableError(
                f"the metadata database does not answer: {connection_error(error)}"
            ) from None
        except psycopg.Error as error:
            raise RejectedError(
                f"the metadata database refused: {connection_error(error)}"
            ) from None

    def _rows(
        self, connection: psycopg.Connection[Any], query: str, **parameters: object
    ) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            text = query_text(self._schema, query).encode()
            rows: list[dict[str, Any]] = connection.execute(text, parameters or None).fetchall()
            return rows

        rows: list[dict[str, Any]] = self._read_only(connection, ask)
        return rows

    def _packed(
        self,
        connection: psycopg.Connection[Any],
        query: str,
        fields: Mapping[str, str],
        **parameters: object,
    ) -> NDArray[Any]:
        """Return the rows of a query as an array with a named column each."""
        import numpy as np

        text = query_text(self._schema, query)
        select = text[text.index("SELECT") :]
        packed = " || ".join(f"{_KINDS[kind][1]}({name})" for name, kind in fields.items())
        # Both are ours: the fields of this module, and a query of the package.
        statement = f"SELECT string_agg({packed}, ''::bytea) AS rows FROM ({select}) AS piece"  # noqa: S608

        def ask() -> bytes:
            found = connection.execute(statement.encode(), parameters, binary=True).fetchone()
            return bytes(found["rows"] or b"") if found else b""

        data = self._read_only(connection, ask)
        row = np.dtype([(name, f">i{_KINDS[kind][0]}") for name, kind in fields.items()])
        if len(data) % row.itemsize:
            raise RejectedError(f"query {query} gave rows of another length than expected")
        return np.frombuffer(data, dtype=row)

    def _read_only(self, connection: psycopg.Connection[Any], ask: Callable[[], Any]) -> Any:
        with connection.transaction(force_rollback=True):
            connection.execute(b"SET TRANSACTION READ ONLY")
            milliseconds = int(self._statement_timeout * 1000)
            connection.execute(f"SET LOCAL statement_timeout = {milliseconds}".encode())
            connection.execute(b"SET LOCAL timezone = 'UTC'")
            return ask()


def _columns(piece: NDArray[Any], fields: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    return {
        name: _moments(piece[name]) if kind == "at" else piece[name].astype(f"i{_KINDS[kind][0]}")
        for name, kind in fields.items()
    }


def _moments(microseconds: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    seconds = microseconds.astype(np.float64) / 1e6 + _EPOCH
    seconds[microseconds == _MINUS_INFINITY] = np.nan
    return seconds


def _places(numbers: NDArray[Any], known: Mapping[int, int], other: int) -> NDArray[np.int32]:
    """Return the place that each number stands for."""
    import numpy as np

    if not known:
        return np.full(len(numbers), other, dtype=np.int32)
    keys = np.fromiter(known, dtype=np.int64, count=len(known))
    values = np.fromiter(known.values(), dtype=np.int32, count=len(known))
    order = np.argsort(keys)
    keys, values = keys[order], values[order]
    found = np.minimum(np.searchsorted(keys, numbers), len(keys) - 1)
    return np.where(keys[found] == numbers, values[found], other).astype(np.int32)


def _joined(pieces: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Put pieces together, column by column, so that no more than one column is there twice."""
    import numpy as np

    if not pieces:
        return {}
    names = list(pieces[0])
    return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in names}


def _uuid(moment: float) -> str:
    """Return the lowest identifier (version 7) that may have been made at a moment."""
    digits = f"{max(0, int(moment * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _schema_of(connection: psycopg.Connection[Any]) -> str:
    """Return the folder of queries for this schema.

    Raises:
        RejectedError: It is not Airflow's, or of a revision that is not known here.
    """
    import psycopg

    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        raise RejectedError("the database holds no Airflow schema (no alembic_version)") from None
    return schema_of(row["version_num"] if row else "none").folder
