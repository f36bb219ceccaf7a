"""Answers of other systems, read to an end: so many bytes at most, within so many seconds in all.

A client's timeout counts anew with each piece, so a server that drips a byte now and then would hold
its caller for ever; and a length is what the server says it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from airwarden.core.errors import UnavailableError

#: A real list of 15,000 alerts is 10 MB.
MOST_BYTES = 64 * 1024 * 1024
#: Bytes that are asked for at a time.
PIECE = 65_536


def whole(pieces: Iterable[bytes], *, within: float, most: int = MOST_BYTES) -> bytes:
    """Join the pieces of an answer.

    Args:
        pieces: As they arrive.
        within: Seconds for all of them, from the first being asked for.
        most: Bytes.

    Raises:
        UnavailableError: It is longer, or takes longer.
    """
    begun, size, kept = time.monotonic(), 0, []
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise UnavailableError(f"the answer is longer than {most >> 20} MiB")
        if time.monotonic() - begun > within:
            raise UnavailableError(f"the answer has not ended within {within:g} s")
        kept.append(piece)
    return b"".join(kept)
