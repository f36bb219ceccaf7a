"""Which format a scraper gets, and what its `Content-Type` says: Prometheus 3 refuses a vague one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

_OPENMETRICS, _TEXT = "application/openmetrics-text", "text/plain"
#: Type → the versions that the page is valid in; the first is taken where none is asked for.
_VERSIONS = {_OPENMETRICS: ("1.0.0", "0.0.1"), _TEXT: ("0.0.4", "1.0.0")}
#: Ways to escape names under which ours, plain ASCII, stay as they are. Under `dots` they would not.
_ESCAPINGS = ("allow-utf-8", "underscores", "values")


@dataclass(frozen=True, slots=True)
class Format:
    """What is sent.

    Attributes:
        openmetrics: OpenMetrics instead of Prometheus' own text.
        content_type: The header.
    """

    openmetrics: bool
    content_type: str


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Format:
    """Return the best of what an `Accept` header asks for; plain text where it asks for neither."""
    best, chosen = 0.0, _format(_TEXT, {})
    for part in accept.split(",")[:32]:
        kind, parameters, quality = _parsed(part)
        known = _VERSIONS.get(kind, ())
        if parameters.get("version", next(iter(known), "")) in known and quality > best:
            best, chosen = quality, _format(kind, parameters)
    return chosen


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an `Accept-Encoding` header takes gzip."""
    encodings = {
        kind: quality for kind, _, quality in map(_parsed, accept_encoding.split(",")[:32])
    }
    return encodings.get("gzip", encodings.get("*", 0.0)) > 0


def _format(kind: str, parameters: dict[str, str]) -> Format:
    version = parameters.get("version", _VERSIONS[kind][0])
    text = f"{kind}; version={version}; charset=utf-8"
    # Named since 1.0.0 of either format only, and only to those that ask for it.
    if version == "1.0.0" and "escaping" in parameters:
        wanted = parameters["escaping"]
        text += f"; escaping={wanted if wanted in _ESCAPINGS else 'underscores'}"
    return Format(kind == _OPENMETRICS, text)


def _parsed(part: str) -> tuple[str, dict[str, str], float]:
    """Return what is named, its parameters, and how much it is wanted."""
    kind, *pairs = (piece.strip().lower() for piece in part.split(";"))
    parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return kind, parameters, quality
