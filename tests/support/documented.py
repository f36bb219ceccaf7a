"""The commands that README and tutorial tell, and who runs them.

Every one is run by a test, with the example's address and folder replaced by those of the test; the long
ones are run by `make docs-commands`, which is this module as a program.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from support.repository import ROOT

PAGES = ("README.md", "docs/tutorial.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Takes minutes: `make docs-commands`.
LONG = re.compile(
    r"^(?:[A-Z]+=\S+ )*make (?:demo|test|bench|bench-faults|reliability|soak|pictures)\b"
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command as a page tells it, without its comment."""

    page: str
    line: str

    @property
    def long(self) -> bool:
        """Whether it takes minutes."""
        return LONG.match(self.line) is not None


def commands() -> list[Command]:
    """Return the commands in the order in which a reader meets them."""
    found: list[Command] = []
    for page in PAGES:
        for block in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                text = re.sub(r"\s+#\s.*$", "", line).strip()
                if text and not text.startswith("#"):
                    found.append(Command(page, " ".join(text.split())))
    return found


def _run_long() -> int:
    """Run the long ones, each once, as a reader would; return the worst exit status."""
    worst = 0
    for line in dict.fromkeys(one.line for one in commands() if one.long):
        print(f"== {line}", flush=True)
        began = time.monotonic()
        done = subprocess.run(["sh", "-c", line], cwd=ROOT, env=dict(os.environ), check=False)
        print(f"== exit {done.returncode} after {time.monotonic() - began:.0f} s", flush=True)
        worst = max(worst, done.returncode)
        # What one of them leaves running is not the next one's company.
        subprocess.run(["make", "down"], cwd=ROOT, check=False)
    return worst


if __name__ == "__main__":
    sys.exit(_run_long())
