"""Versions of the platform as they were last seen, so that a roll-out is noticed after a restart too.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add the table; nothing that an older version uses changes."""
    op.create_table(
        "platform_seen",
        sa.Column("cluster", sa.String(128), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.Column("previous", sa.String(256), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("cluster", "what", name="pk_platform_seen"),
    )
