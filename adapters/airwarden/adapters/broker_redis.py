"""The `Broker` port over Redis, as Celery and kombu use it.

kombu keeps a queue as a list under its own name and one more list per priority step, joined by
`\\x06\\x16`; delivered and unacknowledged messages are fields of the hash `unacked`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.platform import BrokerState, Delivered
from airwarden.core.work import left

if TYPE_CHECKING:
    import redis

_T = TypeVar("_T")
#: kombu's default priority steps and separator (kombu/transport/redis.py).
PRIORITIES = (0, 3, 6, 9)
#: What is kept for all queues together.
ALL_QUEUES = "_all"
_SEPARATOR = "\x06\x16"
#: What reading an answer of another type, or with parts missing, raises.
_NO_SENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError)


def _where(url: str) -> str:
    """Return host and port, for messages."""
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port or 6379}"
    except ValueError:  # its text quotes what may be half a password
        parts, where = None, ""
    if parts is None or parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise WrongInputError(
            "not the address of a Redis broker",
            hint="redis://USER:PASSWORD@HOST:6379/0, with /, @, : and # in the password"
            " percent-encoded",
        )
    return where


def _length(told: object) -> int:
    if not isinstance(told, int) or told < 0:
        raise ValueError(f"{told!r} is no length")
    return told


def _pong(client: redis.Redis) -> None:
    if client.ping() is not True:
        raise ValueError("PING was answered by something else than PONG")


class RedisBroker:
    """A Redis that Celery uses as its broker.

    Args:
        url: `redis://…` or `rediss://…`, the password in it; never printed.
        timeout: Seconds for connecting, and for each answer.

    Raises:
        WrongInputError: The address cannot be read; the message repeats nothing of it.
    """

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self._url = url
        self._timeout = timeout
        self._kept: redis.Redis | None = None
        self._where = _where(url)

    def ping(self) -> float:
        """Return the seconds to a PING's answer."""
        self._client()  # its first use imports the library: not the broker's time
        begun = time.monotonic()
        self._ask(_pong)
        return time.monotonic() - begun

    def queue_depths(self, queues: Collection[str]) -> Mapping[tuple[str, int], int]:
        """Return (queue, priority) → waiting messages, in one round trip."""
        names = [(queue, priority) for queue in sorted(set(queues)) for priority in PRIORITIES]

        def lengths(client: redis.Redis) -> list[int]:
            with client.pipeline(transaction=False) as pipe:
                for queue, priority in names:
                    pipe.llen(f"{queue}{_SEPARATOR}{priority}" if priority else queue)
                return [_length(one) for one in pipe.execute()]

        return dict(zip(names, self._ask(lengths), strict=True)) if names else {}

    @property
    def kind(self) -> str:
        """`redis`."""
        return "redis"

    def delivered(self) -> Mapping[str, Delivered]:
        """Return the messages delivered and not acknowledged, of all queues together.

        kombu scores each by the time of its delivery, by the clock of the worker's machine.
        """

        def ask(client: redis.Redis) -> Delivered:
            with client.pipeline(transaction=False) as pipe:
                pipe.hlen("unacked")
                pipe.zrange("unacked_index", 0, 0, withscores=True)
                messages, oldest = pipe.execute()
            age = max(0.0, time.time() - oldest[0][1]) if oldest else None
            return Delivered(int(messages), age)

        return {ALL_QUEUES: self._ask(ask)}

    def state(self) -> BrokerState:
        """Return what INFO says."""

        def ask(client: redis.Redis) -> BrokerState:
            info = client.info()
            return BrokerState(
                memory_used=int(info["used_memory"]),
                memory_max=int(info["maxmemory"]),
                clients=int(info["connected_clients"]),
                rejected=int(info["rejected_connections"]),
                evicted=int(info["evicted_keys"]),
            )

        return self._ask(ask)

    def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            self._kept.close()

    def _ask(self, question: Callable[[redis.Redis], _T]) -> _T:
        import redis

        left(self._timeout)
        try:
            return question(self._client())
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise RejectedError(f"Redis at {self._where} refuses us: {error}") from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise UnavailableError(f"Redis at {self._where} does not answer: {error}") from None
        except redis.exceptions.ResponseError as error:
            raise RejectedError(f"Redis at {self._where} refused: {error}") from None
        except (redis.RedisError, *_NO_SENSE) as error:
            # Something answers, so the broker is not known to be down; nor does it say anything.
            raise RejectedError(f"{self._where} gave no Redis answer: {error!r}") from None

    def _client(self) -> redis.Redis:
        if self._kept is None:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._kept = redis.Redis.from_url(
                self._url,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                retry=Retry(NoBackoff(), 0),
                client_name="airwarden",
            )
        return self._kept
