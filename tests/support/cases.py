"""Command-line tests as single files: a command, its input files, and what it must print.

The format is that of `txtar`: a comment, then sections that begin with `-- NAME --`. Sections `cmd`,
`env`, `exit`, `stdout` and `stderr` have a meaning; all others are files in the working folder, and
`open: NAME`
is a file that others can read, `after: NAME` one as it must be afterwards. In expected text `$WORK` is that folder and a line
`...` stands for any number of lines; a stream that is not named must stay empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SECTION = re.compile(r"^-- (.+) --$", re.MULTILINE)
_MEANT = frozenset({"cmd", "env", "exit", "stdout", "stderr"})


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    path: Path
    sections: dict[str, str]

    @property
    def arguments(self) -> list[str]:
        """The command's words after `airwarden`."""
        words = self.sections["cmd"].split()
        if words[0] != "airwarden":
            raise ValueError(f"{self.path}: the command must begin with airwarden")
        return words[1:]

    @property
    def environment(self) -> dict[str, str]:
        """Variables to set."""
        lines = self.sections.get("env", "").split()
        return dict(line.split("=", 1) for line in lines)

    @property
    def files(self) -> dict[str, str]:
        """Files to write first."""
        return {
            name.removeprefix("open: "): text
            for name, text in self.sections.items()
            if name not in _MEANT and not name.startswith("after: ")
        }

    @property
    def afterwards(self) -> dict[str, str]:
        """Files as they must be afterwards."""
        return {
            name.removeprefix("after: "): text
            for name, text in self.sections.items()
            if name.startswith("after: ")
        }


def read_case(path: Path) -> Case:
    """Read a case file."""
    parts = _SECTION.split(path.read_text(encoding="utf-8"))
    names, texts = parts[1::2], [text.lstrip("\n") for text in parts[2::2]]
    if "cmd" not in names or len(set(names)) != len(names):
        raise ValueError(f"{path}: needs one cmd section and no section twice")
    return Case(path, dict(zip(names, texts, strict=True)))


def matches(actual: str, expected: str) -> bool:
    """Return whether text is as expected, a line `...` standing for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n"
        for line in expected.rstrip("\n").splitlines()
    )
    body = "\n".join(line.rstrip() for line in actual.splitlines()).rstrip("\n")
    return re.fullmatch(pattern, body + "\n" if body else "") is not None
