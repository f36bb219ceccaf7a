"""The real servers that service tests share; see `support.postgres` and `support.redis`."""

from __future__ import annotations

from support.postgres import fresh_database, postgres_server
from support.redis import own_redis, redis_server, session_redis

__all__ = ["fresh_database", "own_redis", "postgres_server", "redis_server", "session_redis"]
