"""The real PostgreSQL that the soak's journal lies in."""

from __future__ import annotations

from support.postgres import fresh_database, postgres_server

__all__ = ["fresh_database", "postgres_server"]
