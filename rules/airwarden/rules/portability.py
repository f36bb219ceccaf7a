"""What one of the Prometheus generations that are in use would refuse, or read differently.

Rules must load in Debian's 2.42 and in today's 3.x. The grammar of 3.x is that of promql-parser; what
is newer than 2.42 is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airwarden.rules.findings import Finding, FindingSeverity

#: Functions and aggregations that 2.42 does not have.
_NEW_FUNCTIONS = (
    "double_exponential_smoothing", "first_over_time", "histogram_avg", "histogram_stddev",
    "histogram_stdvar", "info", "limit_ratio", "limitk", "mad_over_time", "sort_by_label",
    "sort_by_label_desc", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time",
    "ts_of_min_over_time",
)  # fmt: skip
_NEW_CALL = re.compile(rf"\b({'|'.join(_NEW_FUNCTIONS)})\s*(?:by\s*\([^)]*\)\s*)?\(")
#: Keys of a group that 2.42 refuses.
_NEW_GROUP_KEYS = ("labels", "query_offset")
_INTEGER_BOUND = re.compile(r"""\ble\s*=~?\s*["'`]\d+["'`]""")


def expression(place: str, text: str) -> Iterator[Finding]:
    """Yield what of an expression is not understood alike everywhere."""
    for found in _NEW_CALL.finditer(text):
        yield Finding(
            place,
            FindingSeverity.ERROR,
            f"Prometheus 2.42 has no {found[1]}",
            "write it with functions that both have",
        )
    if _INTEGER_BOUND.search(text):
        yield Finding(
            place,
            FindingSeverity.ERROR,
            "le is an integer: Prometheus 3 stores 1 as 1.0, and finds nothing",
            'write le=~"1([.]0)?"',
        )


def group(place: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield keys of a rule group that 2.42 does not know."""
    for key in _NEW_GROUP_KEYS:
        if key in body:
            yield Finding(
                place,
                FindingSeverity.ERROR,
                f"Prometheus 2.42 refuses {key} of a group",
                "leave it out, or put labels on each rule",
            )
