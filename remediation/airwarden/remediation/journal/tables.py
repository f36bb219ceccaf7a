"""The journal's tables, for SQLite and PostgreSQL alike (SQLAlchemy Core).

Every table but `lease`, `playbook_version`, `outbox`, `visit` and the three of the audit has a `cluster` column
that is part of each unique key; `inbox` may leave it NULL, and a `switch` or `budget` over all clusters
uses `*`. Columns of later releases are here from the first revision on, so that old and new versions
can run side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from airwarden.remediation.decide.chain import Kind
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps text of fixed width, which sorts as time does."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite's own type writes naive times only."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the journal takes times with a time zone only")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back that SQLite dropped."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


#: SQLite gives rowids to INTEGER only; PostgreSQL should not run out of numbers.
_ID = BigInteger().with_variant(Integer(), "sqlite")


def _one_of(column: str, names: Iterable[StrEnum]) -> CheckConstraint:
    values = ", ".join(f"'{name}'" for name in names)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _cluster(*, nullable: bool = False) -> Column[str]:
    return Column("cluster", String(128), nullable=nullable)


inbox = Table(
    "inbox",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(nullable=True),
    Column("source", String(128), nullable=False),
    Column("delivery_hash", String(64), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Utc, nullable=False),
    Column("seen", Integer, nullable=False, server_default="1"),
    Column("error", Text),
    UniqueConstraint("source", "delivery_hash"),
    CheckConstraint("state IN ('new', 'done', 'failed')", name="state"),
    Index(None, "state", "next_at"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("event_key", String(64), primary_key=True),
    _cluster(),
    Column("source", String(128), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("starts_at", Utc, nullable=False),
    Column("ends_at", Utc),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("n_seen", Integer, nullable=False, server_default="1"),
    Index(None, "source", "fingerprint"),
)

alert = Table(
    "alert",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("cluster", String(128), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("episode", Utc, nullable=False),
    Column("status", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("last_event", String(64), nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("suppressed_by", Text, nullable=False, server_default=""),
    Column("incident_id", _ID),
    CheckConstraint("status IN ('firing', 'resolved')", name="status"),
    Index(None, "status"),
    Index(None, "incident_id"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(),
    Column("correlation_key", String(512), nullable=False),
    Column("playbook", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("severity", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("labels", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("cause", Text, nullable=False, server_default=""),
    Column("evidence", Text, nullable=False, server_default="{}"),
    Column("human_steps", Text, nullable=False, server_default="[]"),
    Column("started_at", Utc, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("next_at", Utc),
    Column("page_at", Utc),
    Column("paged_at", Utc),
    Column("healthy_since", Utc),
    Column("recurrence", Integer, nullable=False, server_default="0"),
    Column("healed_by_itself", Boolean, nullable=False, server_default=text("false")),
    Column("owner", String(256), nullable=False, server_default=""),
    Column("dedup_key", String(255), nullable=False),
    Column("chat_ref", Text, nullable=False, server_default=""),
    _one_of("state", IncidentState),
    Index(
        "uq_incident_open_correlation_key",
        "cluster",
        "correlation_key",
        unique=True,
        sqlite_where=text("state NOT IN ('RESOLVED', 'CLOSED')"),
        postgresql_where=text("state NOT IN ('RESOLVED', 'CLOSED')"),
    ),
    Index(None, "state", "next_at"),
    Index(None, "cluster", "correlation_key", "ended_at"),
)

incident_alert = Table(
    "incident_alert",
    metadata,
    Column("incident_id", _ID, ForeignKey("incident.id"), primary_key=True),
    Column("event_key", String(64), ForeignKey("alert_event.event_key"), primary_key=True),
    Column("cluster", String(128), primary_key=True),
    Index(None, "event_key"),
)

playbook_version = Table(
    "playbook_version",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("danger_class", String(1), nullable=False),
    Column("body", Text, nullable=False),
    Column("first_used_at", Utc, nullable=False),
    _one_of("mode", Mode),
)

run = Table(
    "run",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(),
    Column("incident_id", _ID, ForeignKey("incident.id"), nullable=False),
    Column("playbook_sha", String(64), ForeignKey("playbook_version.sha256"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("episode", Integer, nullable=False, server_default="0"),
    Column("mode", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("progress", Text, nullable=False, server_default="{}"),
    Column("plan_json", Text),
    Column("plan_hash", String(64)),
    Column("plan_valid_until", Utc),
    Column("reason", Text, nullable=False, server_default=""),
    Column("started_at", Utc, nullable=False),
    Column("fault_since", Utc, nullable=False),
    Column("deadline", Utc, nullable=False),
    Column("first_effect_at", Utc),
    Column("ended_at", Utc),
    Column("claimed_by", String(256)),
    Column("claim_token", BigInteger),
    Column("claim_until", Utc),
    Column("next_at", Utc, nullable=False),
    UniqueConstraint("cluster", "incident_id", "playbook_sha", "generation"),
    _one_of("state", RunState),
    _one_of("mode", Mode),
    Index(None, "state", "next_at"),
    Index(None, "incident_id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(),
    Column("run_id", _ID, ForeignKey("run.id"), nullable=False),
    Column("step_seq", Integer, nullable=False),
    Column("step_id", String(128), nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("idem_key", String(64), nullable=False),
    Column("target", String(512), nullable=False),
    Column("action", String(128), nullable=False),
    Column("danger", String(1), nullable=False),
    Column("undo_of", _ID),
    Column("state", String(16), nullable=False),
    Column("fence_token", BigInteger, nullable=False),
    Column("summary", Text, nullable=False),
    Column("before_json", Text, nullable=False),
    Column("request_json", Text, nullable=False),
    Column("observed_json", Text),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("deadline", Float, nullable=False),
    Column("finished_at", Utc),
    Column("error", Text, nullable=False, server_default=""),
    UniqueConstraint("cluster", "run_id", "step_seq", "attempt_no"),
    UniqueConstraint("cluster", "idem_key"),
    _one_of("state", AttemptState),
    Index(None, "target", "started_at"),
    Index(None, "state"),
    Index(None, "run_id"),
)

target_lock = Table(
    "target_lock",
    metadata,
    Column("target", String(512), primary_key=True),
    Column("cluster", String(128), primary_key=True),
    Column("run_id", _ID, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("taken_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(256), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", Utc, nullable=False),
    Column("renewed_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
)

budget = Table(
    "budget",
    metadata,
    Column("cluster", String(128), primary_key=True),
    Column("scope", String(512), primary_key=True),
    Column("window_start", Utc, primary_key=True),
    Column("used", Integer, nullable=False),
    Column("lim", Integer, nullable=False),
    CheckConstraint("used <= lim", name="within"),
)

#: Which state may follow which: triggers on the three tables refuse every other change.
transition = Table(
    "transition",
    metadata,
    Column("machine", String(16), primary_key=True),
    Column("old_state", String(16), primary_key=True),
    Column("new_state", String(16), primary_key=True),
)

breaker = Table(
    "breaker",
    metadata,
    Column("cluster", String(128), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("window_ok", Integer, nullable=False, server_default="0"),
    Column("window_fail", Integer, nullable=False, server_default="0"),
    Column("opened_at", Utc),
    Column("probe_run_id", _ID),
    Column("probe_holder", String(256)),
    Column("next_probe_at", Utc),
    Column("rev", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('closed', 'open', 'half-open')", name="state"),
)

fleet_snapshot = Table(
    "fleet_snapshot",
    metadata,
    Column("cluster", String(128), primary_key=True),
    Column("fleet", String(256), primary_key=True),
    Column("total", Integer, nullable=False),
    Column("healthy", Integer, nullable=False),
    Column("in_repair", Integer, nullable=False),
    Column("taken_at", Utc, nullable=False),
)

platform_seen = Table(
    "platform_seen",
    metadata,
    Column("cluster", String(128), primary_key=True),
    Column("what", String(64), primary_key=True),
    Column("value", String(256), nullable=False),
    Column("previous", String(256), nullable=False),
    Column("changed_at", Utc),
)

approval = Table(
    "approval",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(),
    Column("run_id", _ID, ForeignKey("run.id"), nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("summary", Text, nullable=False),
    Column("requested_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", String(256)),
    Column("decided_at", Utc),
    Column("reason", Text),
    UniqueConstraint("cluster", "nonce"),
    UniqueConstraint("cluster", "run_id", "plan_hash"),
    CheckConstraint("decision IN ('approved', 'denied', 'expired')", name="decision"),
    Index(None, "run_id"),
)

switch = Table(
    "switch",
    metadata,
    Column("scope", String(256), primary_key=True),
    Column("cluster", String(128), primary_key=True),
    Column("mode", String(16), nullable=False),
    Column("set_by", String(256), nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", Utc, nullable=False),
    Column("until", Utc),
    _one_of("mode", Mode),
)

window = Table(
    "window",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _cluster(),
    Column("kind", String(16), nullable=False),
    Column("rrule", Text),
    Column("tz", String(64), nullable=False, server_default="UTC"),
    Column("selector", Text, nullable=False, server_default="{}"),
    Column("starts_at", Utc, nullable=False),
    Column("until", Utc),
    Column("set_by", String(256), nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("kind IN ('maintenance', 'freeze', 'quiet')", name="kind"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("channel", String(16), nullable=False),
    Column("dedup_key", String(255), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("incident_id", _ID),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Utc, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("sent_at", Utc),
    Column("error", Text, nullable=False, server_default=""),
    UniqueConstraint("channel", "dedup_key", "kind"),
    CheckConstraint("state IN ('new', 'sent', 'superseded', 'failed')", name="state"),
    Index(None, "state", "next_at"),
    Index(None, "incident_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _ID, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("actor", String(256), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", String(512), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "object", "seq"),
    # What people did: little beside what the engine writes of itself.
    Index(
        "ix_audit_people",
        "seq",
        sqlite_where=text("actor <> 'airwarden'"),
        postgresql_where=text("actor <> 'airwarden'"),
    ),
)

#: Places of the chain that were signed off, and those up to which it is archived and may be pruned.
audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("seq", _ID, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("file", Text, nullable=False, server_default=""),
    Column("digest", String(64), nullable=False, server_default=""),
    Column("signature", String(64), nullable=False, server_default=""),
    _one_of("kind", Kind),
)

#: One row: the chain's end. Locking it makes writers of the audit queue up, and a cut tail shows.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", _ID, nullable=False),
    Column("hash", String(64), nullable=False),
)

shadow_result = Table(
    "shadow_result",
    metadata,
    Column("cluster", String(128), primary_key=True),
    Column("run_id", _ID, ForeignKey("run.id"), primary_key=True),
    Column("would_do", Text, nullable=False),
    Column("recorded_at", Utc, nullable=False),
    Column("alert_cleared_without_us_at", Utc),
    Column("human_action_ref", Text),
    Column("verdict", String(16)),
    Index(None, "run_id"),
)

#: Who is signed in to the console: each row one session, found by the hash of what its cookie holds.
visit = Table(
    "visit",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("way", String(16), nullable=False),
    Column("groups", Text, nullable=False, server_default="[]"),
    Column("csrf", String(64), nullable=False),
    Column("begun_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    CheckConstraint("way IN ('password', 'token', 'common', 'oidc', 'proxy')", name="way"),
    Index(None, "expires_at"),
)
