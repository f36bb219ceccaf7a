"""What we rely on of the Kubernetes API: watches."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from airwarden.adapters.kubernetes_api import Event, ExpiredError
from support.kubernetes.site import Site


def events(
    at: Site, version: str, name: str, *, within: float = 1.0, most: int | None = None
) -> list[Event]:
    """Return what a watch tells until it ends, or its first events."""
    told = at.api.watch(at.path("configmaps"), version, within=within, labels=f"app={name}")
    with contextlib.closing(told):
        return list(itertools.islice(told, most))


def kinds(told: list[Event]) -> list[str]:
    return [one.kind for one in told if one.kind != "BOOKMARK"]


def test_a_watch_tells_what_changed_after_a_version_and_ends_quietly(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", name, labels={"app": name})
    at.api.patch(at.path("configmaps", name), {"data": {"a": "1"}})
    at.api.delete(at.path("configmaps", name))

    assert kinds(events(at, version, name)) == ["ADDED", "MODIFIED", "DELETED"]


def test_a_watch_goes_on_from_its_last_version(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", f"{name}-1", labels={"app": name})
    first = events(at, version, name, most=1)
    at.create("configmaps", f"{name}-2", labels={"app": name})

    later = events(at, first[-1].version, name, most=1)

    assert [one.thing["metadata"]["name"] for one in (*first, *later)] == [f"{name}-1", f"{name}-2"]


def test_a_bookmark_tells_a_quiet_watch_the_version(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", name)  # of no interest to the watch, but later than its version

    # The fake sends one at the end of a watch, a real server one a minute.
    told = events(at, version, name, within=80.0 if at.fake is None else 1.0)

    assert told[-1].kind == "BOOKMARK"
    assert int(told[-1].version) > int(version)


def test_what_leaves_a_watchs_selection_is_deleted_for_it(at: Site, name: str) -> None:
    at.create("configmaps", name, labels={"app": name})
    version = at.api.list(at.path("configmaps")).version
    at.api.patch(at.path("configmaps", name), {"metadata": {"labels": {"app": "other"}}})
    at.api.patch(at.path("configmaps", name), {"metadata": {"labels": {"app": name}}})

    assert kinds(events(at, version, name, most=2)) == ["DELETED", "ADDED"]


def test_a_version_that_is_too_old_is_told_as_expired(at: Site, name: str) -> None:
    try:
        told = events(at, "1", name)
    except ExpiredError:
        return
    if at.fake is None:
        pytest.skip("this API server is so young that it remembers everything: restart it once")
    pytest.fail(f"told {told} of what is forgotten")
