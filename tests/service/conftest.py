"""What service tests share; see `support.postgres`, `support.redis` and `support.fleet`."""

from __future__ import annotations

from support.fleet import fleet_template, small_fleet
from support.postgres import fresh_database, postgres_server
from support.redis import own_redis, redis_server, session_redis

__all__ = [
    "fleet_template",
    "fresh_database",
    "own_redis",
    "postgres_server",
    "redis_server",
    "session_redis",
    "small_fleet",
]
