"""Committed files serve on any machine: no registry, no path of the machine they were written on."""

from __future__ import annotations

import re

import pytest

from support.repository import ROOT, committed, text_of

LOCKS = ("requirements.lock", "deploy/runtime.lock", "deploy/local/airflow.lock")

# Written with classes of one letter, so that this file does not match itself.
REGISTRIES = re.compile(
    r"p[y]pi\.(?:org|io)|files\.python[h]osted|registry\.np[m]js|proxy\.go[l]ang|deb\.deb[i]an\.org"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|[h]ome/\w+)/")


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_by_version_and_hash_and_name_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^[a-zA-Z0-9][^\s=]*==[^\s;\\]+", text, flags=re.MULTILINE)
    requirements = [line for line in text.splitlines() if re.match(r"[a-zA-Z0-9]", line)]
    assert len(pins) == len(requirements) > 50
    assert text.count("--hash=sha256:") >= len(pins)


def test_what_is_shipped_is_what_is_tested() -> None:
    pinned = re.compile(r"^([a-zA-Z0-9][^\s=]*==[^\s;\\]+)", flags=re.MULTILINE)
    shipped = set(pinned.findall((ROOT / "deploy/runtime.lock").read_text()))
    tested = set(pinned.findall((ROOT / "requirements.lock").read_text()))
    assert shipped < tested


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_committed_text_names(pattern: re.Pattern[str]) -> None:
    hits = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in committed()
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if pattern.search(line)
    ]
    assert hits == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRIES, "index-url = https://p" + "ypi.org/simple"),
        (REGISTRIES, "https://registry.npm" + "js.org/left-pad"),
        (MACHINE_PATHS, "path: /wor" + "k/somewhere/file"),
        (MACHINE_PATHS, "see /ro" + "ot/.cache/thing"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_nothing_large_is_committed_by_accident() -> None:
    large = [path for path in committed() if (ROOT / path).stat().st_size > 1_500_000]
    assert large == []
