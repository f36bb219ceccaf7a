"""Somebody before a browser: finds things by what they are called, and examines each page."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page

from support.console_stage import PASSWORDS, Stage
from support.repository import ROOT

#: Written on demand, for the documentation: `CONSOLE_PICTURES=docs/images pytest tests/browser`.
PICTURES = os.environ.get("CONSOLE_PICTURES", "")


@cache
def axe() -> str:
    return (ROOT / "tests/data/axe/axe.min.js").read_text(encoding="utf-8")


@dataclass
class Person:
    """Somebody before a browser; what goes wrong in it is kept until the end.

    Attributes:
        look: `desktop light`, `phone dark`, …
    """

    page: Page
    stage: Stage
    look: str
    faults: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on(
            "response",
            lambda one: (
                self.faults.append(f"{one.status} {one.url}")
                if one.status >= 400 and one.status not in self.expected
                else None
            ),
        )

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def open(self, path: str = "/") -> None:
        """Go to a page by its address."""
        self.page.goto(f"{self.stage.url}/console{path}")

    def sign_in(self, name: str = "ada") -> None:
        """Begin at the first page, as everybody does."""
        self.open()
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password or token").fill(PASSWORDS[name])
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("heading", name="Now").wait_for()

    def go(self, name: str) -> None:
        """Choose a page of the navigation."""
        self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        self.page.get_by_role("heading", level=1, name=name).wait_for()

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press a button by what it is called, by keyboard."""
        one = (within or self.page).get_by_role("button", name=name, exact=True)
        one.focus()
        self.page.keyboard.press("Enter")

    def check(self, name: str = "") -> None:
        """Look at the page as an examiner: accessible, nothing wider than the screen, no fault."""
        found: dict[str, Any] = self.page.evaluate(
            "async (axe) => { if (!window.axe) (0, eval)(axe); "
            "return await window.axe.run(document, {resultTypes: ['violations']}); }",
            axe(),
        )
        said = [
            f"{one['id']}: {node['target']}: {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"][:3]
        ]
        assert said == [], "\n".join([self.page.url, *said])
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{self.page.url} is {wide} px wider than the screen"
        assert self.faults == []
        if name and PICTURES:
            file = f"console-{name}-{self.look.replace(' ', '-')}.png"
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            # What stays in place while one scrolls stands where it belongs in a picture of the whole page.
            self.page.evaluate("window.scrollTo(0, 0)")
            self.page.screenshot(path=str(Path(PICTURES) / file), full_page=True)
