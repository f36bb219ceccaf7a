"""Which remedy comes next: each as often as it may be tried, in order, then a person."""

from __future__ import annotations

from collections.abc import Sequence


def next_remedy(attempts: Sequence[int], tried: Sequence[int]) -> int | None:
    """Return the index of the remedy to try next, None when a person's turn has come.

    Args:
        attempts: How often each remedy may be tried, in order.
        tried: Which one each attempt of this episode was of, oldest first.
    """
    current = max(tried, default=0)
    if current < len(attempts) and tried.count(current) < attempts[current]:
        return current
    return current + 1 if current + 1 < len(attempts) else None
