"""Showing what is being done and how long it took: a display on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """Named steps, several at once if need be, each shown with its seconds when done.

    ``seconds`` holds the time of each finished step.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Console(quiet=quiet, highlight=False)
        self.seconds: dict[str, float] = {}
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show one step while the block runs; safe to use from several threads."""
        started = time.monotonic()
        task = self._live.add_task(name, total=None)
        outcome = "[red]failed[/red]"
        try:
            yield
            outcome = "[green]done[/green]"
        finally:
            self.seconds[name] = time.monotonic() - started
            self._live.remove_task(task)
            self.console.print(f"  {name:<46} {self.seconds[name]:6.1f} s  {outcome}")
