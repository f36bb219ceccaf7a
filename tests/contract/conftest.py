"""The real systems that contract tests hold the fakes against."""

from __future__ import annotations

from support.airflow_api import airflow_api
from support.memory_path import memory_path
from support.postgres import fresh_database, postgres_server
from support.redis import own_redis, redis_server, session_redis

__all__ = [
    "airflow_api",
    "fresh_database",
    "memory_path",
    "own_redis",
    "postgres_server",
    "redis_server",
    "session_redis",
]
