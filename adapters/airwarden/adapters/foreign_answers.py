"""What to say when something other than Airflow answers at Airflow's address: a sign-in page, a proxy."""

from __future__ import annotations

import html
import json
import re

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HOW_MUCH = 60

MEND = (
    "is clusters[].airflow.url Airflow's own address, with its base path, and does no proxy or"
    " sign-in page answer in its place?"
)


def is_json(text: str) -> bool:
    """Return whether a body is JSON at all."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def not_airflow(url: str, text: str, status: int) -> str:
    """Name what answered instead of Airflow's API, by the beginning of its body, and the mend."""
    title = _TITLE.search(text)
    if title:
        what = f"a web page titled “{_short(html.unescape(title[1]))}”"
    elif text.lstrip()[:1] == "<":
        what = "a web page"
    elif text.strip():
        what = f"“{_short(text)}”"
    else:
        what = "nothing"
    return f"{url} answered HTTP {status} with {what}, which is not Airflow's API: {MEND}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _HOW_MUCH else plain[: _HOW_MUCH - 1] + "…"
