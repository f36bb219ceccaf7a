"""Canary, then ramp: an effect on many targets goes out in waves, and each wave has to stick.

One target first; then 5 % of them; then 10 % at a time (SSM's exponential ramp). Percentages of a dozen
would be one at a time, so a wave after the canary has some least size; and what has few targets goes out
one after the other without waves.
"""

from __future__ import annotations

from dataclasses import dataclass

from airwarden.remediation.decide.rails import Rails


def waves(total: int, rails: Rails) -> list[int]:
    """Return after how many targets each wave ends, the last one at `total`."""
    if total < rails.ramp_from:
        return [total]
    ends = [1]
    for percent in (rails.ramp_first_percent, rails.ramp_percent):
        size = max(rails.ramp_least, total * percent // 100, 1)
        ends.append(ends[-1] + size)
    size = max(rails.ramp_least, total * rails.ramp_percent // 100, 1)
    while ends[-1] < total:
        ends.append(ends[-1] + size)
    return [end for end in ends if end < total] + [total]


def wave_to_verify(done: int, total: int, verified: int, rails: Rails) -> int | None:
    """Return the end of the wave that has to be verified now, None where the next target may go.

    Args:
        done: Targets dealt with.
        total: Targets in all.
        verified: Targets up to which the waves were found good.
        rails: The waves' sizes.
    """
    if done >= total:
        return None
    reached = [end for end in waves(total, rails) if end <= done]
    return reached[-1] if reached and reached[-1] > verified else None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the targets so far: how many were dealt with, and how many of them went wrong."""

    done: int
    wrong: int


def stop_reason(tally: Tally, wave_end: int, rails: Rails) -> str:
    """Return why the ramp stops after a wave, or nothing: it goes on.

    The canary has to succeed; after it, at most a share of all so far may have gone wrong.
    """
    if not tally.wrong:
        return ""
    if wave_end <= 1:
        return "the first of them did not succeed"
    if tally.wrong * 100 > rails.ramp_errors_percent * tally.done:
        return f"{tally.wrong} of {tally.done} did not succeed"
    return ""
