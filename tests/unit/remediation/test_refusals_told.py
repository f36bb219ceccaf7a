"""Doing nothing, where that is right, and told so that whoever is on call understands it without the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.platform_bench import PlatformBench
from support.refusals import MINUTE, STORIES, TOLD, told

pytestmark = pytest.mark.thorough
#: How many people are paged: nobody for what somebody silenced.
PAGES = {
    "bad-deploy": 1,
    "slow-database": 1,
    "silence": 0,
    "maintenance": 1,
    "unreadable-guard": 1,
}
#: What a page has to name.
NAMED = {"slow-database": "metadata database slow"}


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_done_one_page_at_most_and_the_story_says_why(
    name: str, memory_path: Path
) -> None:
    bench = PlatformBench(memory_path)
    try:
        bench.run(2 * MINUTE)
        STORIES[name](bench)
        assert bench.host.effects == []
        assert bench.attempts() == []
        assert len(bench.paged()) == PAGES[name]
        assert all(NAMED.get(name, "") in page.summary for page in bench.paged())
        assert told(bench) == (TOLD / f"{name}.txt").read_text()
    finally:
        bench.close()
