"""What came, began or went between two looks at the live task instances."""

from __future__ import annotations

from airwarden.exporters.follow_live import Live, LiveFollower


def look(**ids: str) -> Live:
    return Live.of([{"state": state, "ids": text or None} for state, text in ids.items()])


def test_nothing_changed_is_nothing_to_read() -> None:
    follower = LiveFollower()
    same = look(running="a b", queued="c", ended="")
    follower.take(same)
    assert follower.changed(same) == frozenset()
    assert follower.changed(look(running="a b", scheduled="c")) == frozenset(), "it only waits"


def test_what_began_came_or_went_is_read() -> None:
    follower = LiveFollower()
    follower.take(look(running="a", queued="b"))
    assert follower.changed(look(running="a b")) == {"b"}
    assert follower.changed(look(running="a")) == {"b"}
    assert follower.changed(look(running="a", queued="b c")) == {"c"}


def test_what_began_and_ended_between_two_looks_is_read_once() -> None:
    follower = LiveFollower()
    follower.take(look(running="a"))
    after = look(running="a", ended="x")
    assert follower.changed(after) == {"x"}
    follower.take(after)
    assert follower.changed(after) == frozenset()
