"""What each scraper is given: the header that each of them sends, and the one that it accepts."""

from __future__ import annotations

import pytest

from airwarden.exporters.negotiation import negotiate, takes_gzip

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,"
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "*/*;q=0.1"
)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        (
            PROMETHEUS_3,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
        ),
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.9,application/openmetrics-text;q=0.1",
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        # Under `dots` our names would have to be written otherwise: it gets what it can read as it is.
        (
            "text/plain; version=1.0.0; escaping=dots",
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        ("application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.1", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=much,text/plain;q=0.1", TEXT),
        (";;;,,,=;q", TEXT),
    ],
)
def test_content_negotiation(accept: str, content_type: str) -> None:
    found = negotiate(accept)
    assert found.content_type == content_type
    assert found.openmetrics == content_type.startswith("application/openmetrics-text")


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("*", True),
        ("*, gzip;q=0", False),
        ("x-gzip-like", False),
    ],
)
def test_gzip_only_where_it_is_taken(accept_encoding: str, taken: bool) -> None:
    assert takes_gzip(accept_encoding) is taken
