"""Takes secrets out of text that leaves for another system."""

from __future__ import annotations

import re

_HIDDEN = "[redacted]"
_NAMES = r"password|passwd|pwd|secret|token|api[_-]?key|routing[_-]?key|authorization|credential"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # user:password@ in a URL
    (re.compile(r"(?P<keep>\w+://[^\s:/@]*:)[^\s@/]+(?=@)"), rf"\g<keep>{_HIDDEN}"),
    # Authorization: Bearer …, before the general form would take the word "Bearer" for the secret
    (re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[\w\-.~+/=]{8,}"), rf"\g<keep>{_HIDDEN}"),
    # name=value, name: value, "name": "value"
    (
        re.compile(rf"(?i)(?P<keep>\b[\w-]*(?:{_NAMES})\b[\"']?\s*[=:]\s*[\"']?)(?!\[redacted)(?!(?:bearer|basic)\b)[^\s\"',;&]+"),
        rf"\g<keep>{_HIDDEN}",
    ),
    # Slack's tokens and webhooks, JSON web tokens, private keys
    (re.compile(r"\bxox[a-z]-[\w-]+"), _HIDDEN),
    (re.compile(r"(?P<keep>/services/)T\w+/B\w+/\w+"), rf"\g<keep>{_HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", re.DOTALL), _HIDDEN),
)  # fmt: skip


def redact(text: str) -> str:
    """Return the text with what looks like a secret replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
