"""Who is signed in to the console: sessions that any replica knows and that can be ended."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import bindparam, delete, insert, select, update

from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import visit


class Way(StrEnum):
    """How somebody signed in."""

    PASSWORD = "password"  # noqa: S105 - the name of a way
    TOKEN = "token"  # noqa: S105 - likewise
    COMMON = "common"
    OIDC = "oidc"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Visit:
    """One session.

    Attributes:
        token_hash: SHA-256 of what the cookie holds; that itself is nowhere kept.
        groups: What the provider or the proxy said; empty for operators of the settings.
        csrf: What every form of this session carries.
        seen_at: When a page was last asked for, to the minute.
    """

    token_hash: str
    name: str
    way: Way
    groups: frozenset[str]
    csrf: str
    begun_at: datetime
    seen_at: datetime
    expires_at: datetime


_ONE = select(visit).where(
    visit.c.token_hash == bindparam("token_hash"),
    visit.c.expires_at > bindparam("now", type_=visit.c.expires_at.type),
    visit.c.seen_at > bindparam("idle", type_=visit.c.seen_at.type),
)


def hashed(token: str) -> str:
    """Return under what a cookie's content is kept."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def begin(
    tx: Tx, *, name: str, way: Way, groups: Collection[str] = (), lasts: timedelta
) -> tuple[str, Visit]:
    """Begin a session; returns what its cookie holds, and the session. Those that are over are forgotten."""
    tx.connection.execute(delete(visit).where(visit.c.expires_at <= tx.now))
    token = secrets.token_urlsafe(32)
    one = Visit(
        hashed(token),
        name,
        way,
        frozenset(groups),
        secrets.token_urlsafe(24),
        begun_at=tx.now,
        seen_at=tx.now,
        expires_at=tx.now + lasts,
    )
    values = {
        "token_hash": one.token_hash,
        "name": name,
        "way": way.value,
        "groups": json.dumps(sorted(groups)),
        "csrf": one.csrf,
        "begun_at": one.begun_at,
        "seen_at": one.seen_at,
        "expires_at": one.expires_at,
    }
    tx.connection.execute(insert(visit).values(**values))
    return token, one


def find(tx: Tx, token: str, *, idle: timedelta) -> Visit | None:
    """Return the session of a cookie, None where it is over or never was."""
    asked = {"token_hash": hashed(token), "now": tx.now, "idle": tx.now - idle}
    row = tx.connection.execute(_ONE, asked).first()
    if row is None:
        return None
    return Visit(
        row.token_hash,
        row.name,
        Way(row.way),
        frozenset(json.loads(row.groups)),
        row.csrf,
        row.begun_at,
        row.seen_at,
        row.expires_at,
    )


def seen(tx: Tx, one: Visit) -> None:
    """Note that a session is still used."""
    mine = visit.c.token_hash == one.token_hash
    tx.connection.execute(update(visit).where(mine).values(seen_at=tx.now))


def end(tx: Tx, token_hash: str) -> bool:
    """End a session; returns whether there was one."""
    done = tx.connection.execute(delete(visit).where(visit.c.token_hash == token_hash))
    return done.rowcount > 0
