"""Logging of the long-running programs: structlog on stderr, secrets removed on the way."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from airwarden.adapters.secrets import redact
from airwarden.cli.options import LogFormat, LogLevel

_SECRET_KEY = re.compile(
    r"(?i)(passw|secret|token|dsn|authorization|routing_key|api_key|webhook_url)"
)
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@")


def clean(value: Any) -> Any:
    """Remove secrets from a log value: known ones, credentials in addresses, telling keys."""
    if isinstance(value, str):
        return _CREDENTIALS.sub(r"\g<scheme>***@", redact(value))
    if isinstance(value, Mapping):
        return {
            key: "***"
            if item and _SECRET_KEY.search(str(key)) and isinstance(item, str)
            else clean(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else clean(str(value))


def _clean_event(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    kept = {key: event[key] for key in ("_record", "_from_structlog") if key in event}
    cleaned = {key: value for key, value in event.items() if key not in kept}
    return {**clean(cleaned), **kept}


def configure(log_format: LogFormat = LogFormat.AUTO, level: LogLevel = LogLevel.INFO) -> None:
    """Route structlog and the standard library's logging through one cleaned stream."""
    console = log_format is LogFormat.CONSOLE or (
        log_format is LogFormat.AUTO and sys.stderr.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _clean_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.value.upper())
    # These say at INFO what our own lines say already.
    for noisy in ("httpx", "httpcore", "urllib3", "uvicorn", "alembic", "kombu", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
