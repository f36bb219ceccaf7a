"""Whether a request was signed by whom it says it is from. Pure: body, headers and the time are given."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

#: Seconds that a signed request of Slack may be old, or ahead of our clock.
SLACK_WITHIN = 300.0
#: Signatures of one header that are looked at: one a secret of the sender.
_MOST = 10


def of_pagerduty(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Return whether a webhook of PagerDuty (version 3) carries a signature by one of our secrets.

    Args:
        body: As it came.
        header: `x-pagerduty-signature`: one signature for each secret that the sender has just now.
        secrets: Ours; two during a rotation. None admits nothing.
    """
    shown = [one.strip() for one in header.split(",")[:_MOST]]
    expected = [f"v1={_hmac(secret, body)}" for secret in secrets]
    return _any_same(shown, expected)


def of_slack(body: bytes, timestamp: str, header: str, secrets: Sequence[str], now: float) -> bool:
    """Return whether a request of Slack carries a fresh signature (version 0) by one of our secrets.

    Args:
        body: As it came.
        timestamp: `x-slack-request-timestamp`.
        header: `x-slack-signature`.
        secrets: Ours; two during a rotation. None admits nothing.
        now: Seconds since the epoch.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        return False
    if abs(now - int(timestamp)) > SLACK_WITHIN:
        return False
    signed = b"v0:" + timestamp.encode() + b":" + body
    expected = [f"v0={_hmac(secret, signed)}" for secret in secrets]
    return _any_same([header.strip()], expected)


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _any_same(shown: Sequence[str], expected: Sequence[str]) -> bool:
    """Compare all with all, each in constant time."""
    found = False
    for one in shown:
        for other in expected:
            found = hmac.compare_digest(one.encode("utf-8", "replace"), other.encode()) or found
    return found
