"""The database itself refuses a transition that the state machines do not have.

Revision: 0004
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"

#: The pairs that versions before this revision use: they may run beside it for a while, and do not
#: fill the table themselves. What later versions add, they insert when they start.
_FIRST = {
    "incident": (
        "OPEN TRIAGE",
        "TRIAGE SUPPRESSED STORM_HOLD NO_PLAYBOOK REMEDIATING ESCALATED RESOLVED",
        "SUPPRESSED TRIAGE CLOSED",
        "STORM_HOLD TRIAGE ESCALATED",
        "NO_PLAYBOOK ESCALATED",
        "REMEDIATING STABILIZING ESCALATED RESOLVED CLOSED",
        "STABILIZING RESOLVED REMEDIATING ESCALATED CLOSED",
        "ESCALATED HUMAN_OWNED RESOLVED CLOSED",
        "HUMAN_OWNED RESOLVED CLOSED",
        "RESOLVED REOPENED",
        "REOPENED TRIAGE",
    ),
    "run": (
        "PLANNED FAILED ABORTED SHADOW_DONE GATED WAIT_APPROVAL RESERVED VERIFYING SUCCEEDED",
        "GATED FAILED ABORTED PLANNED WAIT_APPROVAL RESERVED SHADOW_DONE VERIFYING",
        "WAIT_APPROVAL FAILED ABORTED PLANNED GATED RESERVED SHADOW_DONE VERIFYING",
        "RESERVED FAILED ABORTED EXECUTING PLANNED UNKNOWN",
        "EXECUTING FAILED ABORTED PLANNED VERIFYING UNKNOWN",
        "VERIFYING FAILED ABORTED SUCCEEDED PLANNED",
    ),
    "attempt": (
        "INTENT STARTED NOT_DONE",
        "STARTED CONFIRMED FAILED UNKNOWN",
        "UNKNOWN CONFIRMED NOT_DONE UNDECIDABLE",
    ),
}

_SQLITE = """
CREATE TRIGGER {machine}_transition BEFORE UPDATE OF state ON {machine}
WHEN OLD.state <> NEW.state AND NOT EXISTS (
  SELECT 1 FROM transition
  WHERE machine = '{machine}' AND old_state = OLD.state AND new_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'CHECK: this is no transition of {machine}'); END
"""

#: check_violation, so that every driver reports it as what it is: an integrity error.
_FUNCTION = """
CREATE FUNCTION airwarden_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM transition
    WHERE machine = TG_TABLE_NAME AND old_state = OLD.state AND new_state = NEW.state
  ) THEN
    RAISE EXCEPTION '% → % is no transition of %', OLD.state, NEW.state, TG_TABLE_NAME
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$
"""

_POSTGRESQL = """
CREATE TRIGGER {machine}_transition BEFORE UPDATE OF state ON {machine}
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
EXECUTE FUNCTION airwarden_transition()
"""


def upgrade() -> None:
    """Make the table of allowed pairs, and the triggers that look into it."""
    table = op.create_table(
        "transition",
        sa.Column("machine", sa.String(length=16), nullable=False),
        sa.Column("old_state", sa.String(length=16), nullable=False),
        sa.Column("new_state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("machine", "old_state", "new_state", name=op.f("pk_transition")),
    )
    op.bulk_insert(
        table,
        [
            {"machine": machine, "old_state": old, "new_state": new}
            for machine, lines in _FIRST.items()
            for old, *following in (line.split() for line in lines)
            for new in following
        ],
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(_FUNCTION)
    for machine in _FIRST:
        op.execute((_SQLITE if sqlite else _POSTGRESQL).format(machine=machine))
