"""Checkpoints of the audit, the one way by which an archived part of it may be pruned, and indexes.

An older version goes on beside this one: it only ever adds to the audit.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)

_ARCHIVED = "(SELECT coalesce(max(seq), 0) FROM audit_checkpoint WHERE kind = 'archived')"

_SQLITE = (
    "DROP TRIGGER audit_no_DELETE",
    f"""
CREATE TRIGGER audit_no_DELETE BEFORE DELETE ON audit WHEN OLD.seq > {_ARCHIVED}
BEGIN SELECT RAISE(ABORT, 'the audit is append-only: this entry is not archived'); END
""",
    """
CREATE TRIGGER audit_checkpoint_no_UPDATE BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit are append-only'); END
""",
    """
CREATE TRIGGER audit_checkpoint_no_DELETE BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit are append-only'); END
""",
    """
CREATE TRIGGER audit_checkpoint_true BEFORE INSERT ON audit_checkpoint
WHEN NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'a checkpoint must name an entry of the audit'); END
""",
)

_POSTGRESQL = (
    "DROP TRIGGER audit_append_only ON audit",
    """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION airwarden_audit_append_only()
""",
    f"""
CREATE FUNCTION airwarden_audit_delete_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq > {_ARCHIVED} THEN
    RAISE EXCEPTION 'the audit is append-only: this entry is not archived';
  END IF;
  RETURN OLD;
END $$
""",
    """
CREATE TRIGGER audit_delete_archived BEFORE DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION airwarden_audit_delete_archived()
""",
    """
CREATE TRIGGER audit_checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION airwarden_audit_append_only()
""",
    """
CREATE FUNCTION airwarden_audit_checkpoint_true() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash) THEN
    RAISE EXCEPTION 'a checkpoint must name an entry of the audit';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER audit_checkpoint_true BEFORE INSERT ON audit_checkpoint
FOR EACH ROW EXECUTE FUNCTION airwarden_audit_checkpoint_true()
""",
)


#: Without these, taking one row out would look through all that may refer to it.
_INDEXES = (
    ("incident_alert", "event_key"),
    ("run", "incident_id"),
    ("attempt", "run_id"),
    ("approval", "run_id"),
    ("shadow_result", "run_id"),
    ("outbox", "incident_id"),
)


def upgrade() -> None:
    """Make the table and its triggers; deleting from the audit is allowed below the archived mark."""
    for table, column in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.create_table(
        "audit_checkpoint",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("seq", _ID, autoincrement=False, nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("file", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.String(length=64), server_default="", nullable=False),
        sa.Column("signature", sa.String(length=64), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('verified', 'archived')", name=op.f("ck_audit_checkpoint_kind")
        ),
        sa.PrimaryKeyConstraint("kind", "seq", name=op.f("pk_audit_checkpoint")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
