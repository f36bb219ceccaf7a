"""Who is signed in to the console, and an index over what people did.

An older version goes on beside this one: it knows neither.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

_UTC = sa.DateTime(timezone=True)
_PEOPLE = sa.text("actor <> 'airwarden'")


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "visit",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("groups", sa.Text(), server_default="[]", nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("begun_at", _UTC, nullable=False),
        sa.Column("seen_at", _UTC, nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.CheckConstraint(
            "way IN ('password', 'token', 'common', 'oidc', 'proxy')", name=op.f("ck_visit_way")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_visit")),
    )
    op.create_index(op.f("ix_visit_expires_at"), "visit", ["expires_at"], unique=False)
    op.create_index(
        "ix_audit_people", "audit", ["seq"], sqlite_where=_PEOPLE, postgresql_where=_PEOPLE
    )
