"""Passwords: Argon2id, a few at a time."""

from __future__ import annotations

import threading
from functools import cache

from airwarden.core.errors import UnavailableError

#: One takes 64 MiB and a twentieth of a second: more at once would be a way to take the machine's memory.
_AT_ONCE, _PATIENCE = threading.BoundedSemaphore(2), 5.0


def hashed(password: str) -> str:
    """Return a password's hash, with the parameters that the library recommends now."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


@cache
def _nobodys() -> str:
    return hashed("nobody has this password")


def holds(kept: str | None, shown: str) -> bool:
    """Return whether a password is the one that was hashed; takes as long where there is none.

    Raises:
        UnavailableError: Too many are being looked at.
    """
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise UnavailableError("too many people sign in at once", retry_after=_PATIENCE)
    try:
        return PasswordHasher().verify(kept or _nobodys(), shown) and kept is not None
    except (Argon2Error, InvalidHashError):
        return False
    finally:
        _AT_ONCE.release()
