"""Durations as DAG tags give them: `6h`, `1d12h`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """Return the seconds of a tag's `6h` or `1d12h`, 0 for anything else."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))
