"""The platform's own small programs: the two fault proxies and the external dependency."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from localplatform.layout import Platform
from localplatform.supervisord import ProgramSpec


def programs(platform: Platform) -> list[ProgramSpec]:
    """Return them as supervised programs, started with the daemon."""
    postgres, redis = platform.postgres, platform.redis
    return [
        _module(
            "proxy_postgres", "proxy", "--listen", postgres.proxy_port, "--upstream",
            postgres.port, "--control", _port(platform.proxies.postgres_control_url),
        ),
        _module(
            "proxy_redis", "proxy", "--listen", _port(redis.url), "--upstream", redis.port,
            "--control", _port(platform.proxies.redis_control_url),
        ),
        _module("dependency", "dependency", "--port", _port(platform.dependency.url)),
    ]  # fmt: skip


def _module(name: str, module: str, *arguments: object) -> ProgramSpec:
    package = Path(__file__).resolve().parent
    return ProgramSpec(
        name=name,
        command=[sys.executable, "-m", f"{package.name}.{module}", *map(str, arguments)],
        environment={"PYTHONPATH": str(package.parent)},
        autostart=True,
        priority=20,
    )


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None  # noqa: S101 - the description always names it
    return port
