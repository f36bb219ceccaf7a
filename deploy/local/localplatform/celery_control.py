"""Celery's remote control of the platform's workers."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError

from localplatform.errors import PlatformError
from localplatform.layout import Platform


def _app(platform: Platform) -> Celery:
    # Direct, not through the proxy: control of the platform must work under its faults.
    return Celery("localplatform", broker=platform.redis.direct_url, set_as_current=False)


def consuming(platform: Platform, *, seconds: float) -> dict[str, list[str]]:
    """Return the queues that each live worker consumes, by node name.

    ``seconds`` is how long answers are awaited; all of it is used.
    """
    with _app(platform) as app:
        try:
            answers = app.control.inspect(timeout=seconds).active_queues() or {}
        except (OperationalError, *app.connection().connection_errors) as error:
            raise ConnectionError(str(error)) from None
    return {node: [queue["name"] for queue in queues] for node, queues in answers.items()}


def node_name(platform: Platform, program: str) -> str:
    """Return the Celery node name of a worker program.

    Raises :class:`PlatformError` when it is not a worker.
    """
    found = platform.program(program)
    if found.component != "worker":
        raise PlatformError(f"{program} is not a Celery worker")
    return f"{found.hostname}@airwarden.local"


def program_name(platform: Platform, node: str) -> str:
    """Return the supervised program of a Celery node name."""
    hostname = node.partition("@")[0]
    return next(found.name for found in platform.programs if found.hostname == hostname)


def set_consuming(platform: Platform, program: str, queue: str, *, on: bool) -> None:
    """Make one worker start or stop consuming a queue, and wait for its answer.

    Raises :class:`PlatformError` when it does not confirm within three seconds.
    """
    node = node_name(platform, program)
    with _app(platform) as app:
        command = app.control.add_consumer if on else app.control.cancel_consumer
        answers = command(queue, destination=[node], reply=True, timeout=3) or []
    if not any(node in answer and "ok" in answer[node] for answer in answers):
        raise PlatformError(f"worker {node} did not confirm: {answers}")


def forget_messages(platform: Platform, queue: str) -> int:
    """Delete what waits in a queue, and return how many messages there were."""
    with _app(platform) as app, app.connection_for_write() as connection:
        return int(connection.default_channel.queue_purge(queue) or 0)
