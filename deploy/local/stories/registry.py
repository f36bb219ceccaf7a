"""All stories, in the order in which they are told."""

from __future__ import annotations

import typer

from stories.bad_deploy import BadDeploy
from stories.blocking_session import BlockingSession
from stories.dependency import Dependency
from stories.flood import Flood
from stories.flooding_dag import FloodingDag
from stories.frozen_api_server import FrozenApiServer
from stories.frozen_scheduler import FrozenScheduler
from stories.killed_remediator import KilledRemediator
from stories.killed_tasks import KilledTasks
from stories.leak import Leak
from stories.lost_tasks import LostTasks
from stories.redis_out import RedisOut
from stories.silenced import Silenced
from stories.silent_worker import SilentWorker
from stories.slow_database import SlowDatabase
from stories.starving_pool import StarvingPool
from stories.story import Story

FIRST_FIVE: tuple[type[Story], ...] = (FrozenScheduler, Flood, Dependency, Leak, SlowDatabase)
MORE: tuple[type[Story], ...] = (
    RedisOut,
    SilentWorker,
    BadDeploy,
    Silenced,
    KilledRemediator,
    KilledTasks,
    FrozenApiServer,
    BlockingSession,
    LostTasks,
    StarvingPool,
    FloodingDag,
)


def choose(names: str) -> list[Story]:
    """Return the stories of `STORIES`: the first five, `all`, or those named with commas.

    Raises:
        typer.BadParameter: Naming those that exist.
    """
    if not names:
        return [kind() for kind in FIRST_FIVE]
    if names == "all":
        return [kind() for kind in (*FIRST_FIVE, *MORE)]
    known = {kind.name: kind for kind in (*FIRST_FIVE, *MORE)}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise typer.BadParameter(f"no story {unknown[0]!r}; there are: {', '.join(known)}")
    return [known[name]() for name in wanted]
