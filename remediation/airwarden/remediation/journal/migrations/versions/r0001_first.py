"""Every table of the first release, later releases' columns included.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Aware UTC; SQLite has no zone and keeps text of fixed width.
_UTC = sa.DateTime(timezone=True)

_APPEND_ONLY_SQLITE = """
CREATE TRIGGER audit_no_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""

_APPEND_ONLY_POSTGRESQL = (
    """
CREATE FUNCTION airwarden_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$
""",
    """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION airwarden_audit_append_only()
""",
)


def upgrade() -> None:
    """Make the tables, and the triggers that keep the audit append-only."""
    _alerts()
    _incidents()
    _rails()
    _records()
    head = sa.table("audit_head", sa.column("id"), sa.column("seq"), sa.column("hash"))
    op.execute(head.insert().values(id=1, seq=0, hash="0" * 64))
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_APPEND_ONLY_SQLITE.format(verb=verb))
    else:
        for statement in _APPEND_ONLY_POSTGRESQL:
            op.execute(statement)


def _alerts() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=True),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("delivery_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", _UTC, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", _UTC, nullable=False),
        sa.Column("seen", sa.Integer(), server_default="1", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('new', 'done', 'failed')", name=op.f("ck_inbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("source", "delivery_hash", name=op.f("uq_inbox_source_delivery_hash")),
    )
    op.create_index(op.f("ix_inbox_state_next_at"), "inbox", ["state", "next_at"], unique=False)
    op.create_table(
        "alert_event",
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("starts_at", _UTC, nullable=False),
        sa.Column("ends_at", _UTC, nullable=True),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("first_seen", _UTC, nullable=False),
        sa.Column("last_seen", _UTC, nullable=False),
        sa.Column("n_seen", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("event_key", name=op.f("pk_alert_event")),
    )
    op.create_index(
        op.f("ix_alert_event_source_fingerprint"),
        "alert_event",
        ["source", "fingerprint"],
        unique=False,
    )
    op.create_table(
        "alert",
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("episode", _UTC, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("last_event", sa.String(length=64), nullable=False),
        sa.Column("last_seen", _UTC, nullable=False),
        sa.Column("ended_at", _UTC, nullable=True),
        sa.Column("suppressed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("incident_id", _ID, nullable=True),
        sa.CheckConstraint("status IN ('firing', 'resolved')", name=op.f("ck_alert_status")),
        sa.PrimaryKeyConstraint("source", "fingerprint", "cluster", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_incident_id"), "alert", ["incident_id"], unique=False)
    op.create_index(op.f("ix_alert_status"), "alert", ["status"], unique=False)


def _incidents() -> None:
    op.create_table(
        "incident",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("correlation_key", sa.String(length=512), nullable=False),
        sa.Column("playbook", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("evidence", sa.Text(), server_default="{}", nullable=False),
        sa.Column("human_steps", sa.Text(), server_default="[]", nullable=False),
        sa.Column("started_at", _UTC, nullable=False),
        sa.Column("opened_at", _UTC, nullable=False),
        sa.Column("updated_at", _UTC, nullable=False),
        sa.Column("ended_at", _UTC, nullable=True),
        sa.Column("next_at", _UTC, nullable=True),
        sa.Column("page_at", _UTC, nullable=True),
        sa.Column("paged_at", _UTC, nullable=True),
        sa.Column("healthy_since", _UTC, nullable=True),
        sa.Column("recurrence", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "healed_by_itself", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("owner", sa.String(length=256), server_default="", nullable=False),
        sa.Column("dedup_key", sa.String(length=255), nullable=False),
        sa.Column("chat_ref", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('OPEN', 'TRIAGE', 'SUPPRESSED', 'STORM_HOLD', 'NO_PLAYBOOK', 'REMEDIATING', 'STABILIZING', 'ESCALATED', 'HUMAN_OWNED', 'REOPENED', 'RESOLVED', 'CLOSED')",
            name=op.f("ck_incident_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(
        op.f("ix_incident_cluster_correlation_key_ended_at"),
        "incident",
        ["cluster", "correlation_key", "ended_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_incident_state_next_at"), "incident", ["state", "next_at"], unique=False
    )
    op.create_index(
        "uq_incident_open_correlation_key",
        "incident",
        ["cluster", "correlation_key"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('RESOLVED', 'CLOSED')"),
        postgresql_where=sa.text("state NOT IN ('RESOLVED', 'CLOSED')"),
    )
    op.create_table(
        "incident_alert",
        sa.Column("incident_id", _ID, nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_key"], ["alert_event.event_key"], name=op.f("fk_incident_alert_event_key")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_alert_incident_id")
        ),
        sa.PrimaryKeyConstraint(
            "incident_id", "event_key", "cluster", name=op.f("pk_incident_alert")
        ),
    )
    op.create_table(
        "playbook_version",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("danger_class", sa.String(length=1), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("first_used_at", _UTC, nullable=False),
        sa.CheckConstraint(
            "mode IN ('off', 'shadow', 'approve', 'auto')", name=op.f("ck_playbook_version_mode")
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_playbook_version")),
    )
    op.create_table(
        "run",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("incident_id", _ID, nullable=False),
        sa.Column("playbook_sha", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("episode", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("progress", sa.Text(), server_default="{}", nullable=False),
        sa.Column("plan_json", sa.Text(), nullable=True),
        sa.Column("plan_hash", sa.String(length=64), nullable=True),
        sa.Column("plan_valid_until", _UTC, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", _UTC, nullable=False),
        sa.Column("fault_since", _UTC, nullable=False),
        sa.Column("deadline", _UTC, nullable=False),
        sa.Column("first_effect_at", _UTC, nullable=True),
        sa.Column("ended_at", _UTC, nullable=True),
        sa.Column("claimed_by", sa.String(length=256), nullable=True),
        sa.Column("claim_token", sa.BigInteger(), nullable=True),
        sa.Column("claim_until", _UTC, nullable=True),
        sa.Column("next_at", _UTC, nullable=False),
        sa.CheckConstraint(
            "mode IN ('off', 'shadow', 'approve', 'auto')", name=op.f("ck_run_mode")
        ),
        sa.CheckConstraint(
            "state IN ('PLANNED', 'SHADOW_DONE', 'GATED', 'WAIT_APPROVAL', 'RESERVED', 'EXECUTING', 'VERIFYING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'UNKNOWN')",
            name=op.f("ck_run_state"),
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_run_incident_id")),
        sa.ForeignKeyConstraint(
            ["playbook_sha"], ["playbook_version.sha256"], name=op.f("fk_run_playbook_sha")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint(
            "cluster",
            "incident_id",
            "playbook_sha",
            "generation",
            name=op.f("uq_run_cluster_incident_id_playbook_sha_generation"),
        ),
    )
    op.create_index(op.f("ix_run_state_next_at"), "run", ["state", "next_at"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("step_seq", sa.Integer(), nullable=False),
        sa.Column("step_id", sa.String(length=128), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("idem_key", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=512), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.Column("danger", sa.String(length=1), nullable=False),
        sa.Column("undo_of", _ID, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence_token", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("before_json", sa.Text(), nullable=False),
        sa.Column("request_json", sa.Text(), nullable=False),
        sa.Column("observed_json", sa.Text(), nullable=True),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("started_at", _UTC, nullable=True),
        sa.Column("deadline", sa.Float(), nullable=False),
        sa.Column("finished_at", _UTC, nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('INTENT', 'STARTED', 'CONFIRMED', 'FAILED', 'UNKNOWN', 'NOT_DONE', 'UNDECIDABLE')",
            name=op.f("ck_attempt_state"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_attempt_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("cluster", "idem_key", name=op.f("uq_attempt_cluster_idem_key")),
        sa.UniqueConstraint(
            "cluster",
            "run_id",
            "step_seq",
            "attempt_no",
            name=op.f("uq_attempt_cluster_run_id_step_seq_attempt_no"),
        ),
    )
    op.create_index(op.f("ix_attempt_state"), "attempt", ["state"], unique=False)
    op.create_index(
        op.f("ix_attempt_target_started_at"), "attempt", ["target", "started_at"], unique=False
    )
    op.create_table(
        "shadow_result",
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("would_do", sa.Text(), nullable=False),
        sa.Column("recorded_at", _UTC, nullable=False),
        sa.Column("alert_cleared_without_us_at", _UTC, nullable=True),
        sa.Column("human_action_ref", sa.Text(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_shadow_result_run_id")),
        sa.PrimaryKeyConstraint("cluster", "run_id", name=op.f("pk_shadow_result")),
    )
    op.create_table(
        "approval",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("requested_at", _UTC, nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("decided_by", sa.String(length=256), nullable=True),
        sa.Column("decided_at", _UTC, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "decision IN ('approved', 'denied', 'expired')", name=op.f("ck_approval_decision")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_approval_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        sa.UniqueConstraint("cluster", "nonce", name=op.f("uq_approval_cluster_nonce")),
        sa.UniqueConstraint(
            "cluster", "run_id", "plan_hash", name=op.f("uq_approval_cluster_run_id_plan_hash")
        ),
    )


def _rails() -> None:
    op.create_table(
        "target_lock",
        sa.Column("target", sa.String(length=512), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", _UTC, nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("target", "cluster", name=op.f("pk_target_lock")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=256), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", _UTC, nullable=False),
        sa.Column("renewed_at", _UTC, nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "budget",
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("scope", sa.String(length=512), nullable=False),
        sa.Column("window_start", _UTC, nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("lim", sa.Integer(), nullable=False),
        sa.CheckConstraint("used <= lim", name=op.f("ck_budget_within")),
        sa.PrimaryKeyConstraint("cluster", "scope", "window_start", name=op.f("pk_budget")),
    )
    op.create_table(
        "breaker",
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("window_ok", sa.Integer(), server_default="0", nullable=False),
        sa.Column("window_fail", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", _UTC, nullable=True),
        sa.Column("probe_run_id", _ID, nullable=True),
        sa.Column("probe_holder", sa.String(length=256), nullable=True),
        sa.Column("next_probe_at", _UTC, nullable=True),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('closed', 'open', 'half-open')", name=op.f("ck_breaker_state")
        ),
        sa.PrimaryKeyConstraint("cluster", "name", name=op.f("pk_breaker")),
    )
    op.create_table(
        "fleet_snapshot",
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("fleet", sa.String(length=256), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("healthy", sa.Integer(), nullable=False),
        sa.Column("in_repair", sa.Integer(), nullable=False),
        sa.Column("taken_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("cluster", "fleet", name=op.f("pk_fleet_snapshot")),
    )
    op.create_table(
        "switch",
        sa.Column("scope", sa.String(length=256), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("set_by", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", _UTC, nullable=False),
        sa.Column("until", _UTC, nullable=True),
        sa.CheckConstraint(
            "mode IN ('off', 'shadow', 'approve', 'auto')", name=op.f("ck_switch_mode")
        ),
        sa.PrimaryKeyConstraint("scope", "cluster", name=op.f("pk_switch")),
    )
    op.create_table(
        "window",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("rrule", sa.Text(), nullable=True),
        sa.Column("tz", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("selector", sa.Text(), server_default="{}", nullable=False),
        sa.Column("starts_at", _UTC, nullable=False),
        sa.Column("until", _UTC, nullable=True),
        sa.Column("set_by", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('maintenance', 'freeze', 'quiet')", name=op.f("ck_window_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_window")),
    )


def _records() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("dedup_key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("incident_id", _ID, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("next_at", _UTC, nullable=False),
        sa.Column("sent_at", _UTC, nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('new', 'sent', 'superseded', 'failed')", name=op.f("ck_outbox_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "channel", "dedup_key", "kind", name=op.f("uq_outbox_channel_dedup_key_kind")
        ),
    )
    op.create_index(op.f("ix_outbox_state_next_at"), "outbox", ["state", "next_at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("seq", _ID, autoincrement=False, nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=512), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_object_seq"), "audit", ["object", "seq"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", _ID, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
