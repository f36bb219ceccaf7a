"""What the documentation says exists: targets, commands, files, links."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from airwarden.cli.main import application
from airwarden.core.settings import Settings, parse
from stories.registry import FIRST_FIVE, MORE
from support.repository import ROOT, committed

PAGES = [path for path in committed("*.md") if not path.startswith("rules/")]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`|^```\w*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def code_of(path: str) -> str:
    """Return all code of a page, in spans and blocks, one per line."""
    text = (ROOT / path).read_text()
    return "\n".join(span or block for span, block in CODE.findall(text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, flags=re.MULTILINE))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(path: str) -> None:
    here = (ROOT / path).parent
    for link in LINK.findall((ROOT / path).read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (here / name).resolve() if name else ROOT / path
        assert target.exists(), f"{link}: there is no such file"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("path", [page for page in PAGES if page != "ROADMAP.md"])
def test_every_make_target_that_is_named_exists(path: str) -> None:
    named = set(re.findall(r"(?:^|[\s=])make ([a-z][\w-]*)", code_of(path), flags=re.MULTILINE))
    assert named - make_targets() == set()


def settings_blocks() -> list[tuple[str, str]]:
    """Return (page, YAML) of every example of airwarden.yaml, whole or some sections of it."""
    known = set(Settings.model_fields)
    found = []
    for path in PAGES:
        blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / path).read_text(), flags=re.DOTALL)
        found += [(path, block) for block in blocks if set(yaml.safe_load(block) or {}) <= known]
    return found


def test_there_are_examples_of_settings() -> None:
    assert len(settings_blocks()) >= 5


@pytest.mark.parametrize(("path", "block"), settings_blocks())
def test_every_example_of_settings_is_accepted(path: str, block: str) -> None:
    if "clusters" in (given := yaml.safe_load(block)):
        # An example may leave out what it is not about.
        for cluster in given["clusters"]:
            cluster.setdefault("airflow", {"url": "http://a", "auth": {"token_env": "TOKEN"}})
    assert parse(yaml.safe_dump(given), source=path, environ={"TOKEN": "t"})


def test_make_help_names_every_target() -> None:
    described = set(re.findall(r'@echo "make ([\w-]+)', (ROOT / "Makefile").read_text()))
    spoken_of = {"down", "help", "platform", "venv"}
    assert make_targets() - described <= spoken_of


def shell_lines() -> list[tuple[str, str]]:
    """Return (page, line) of every call of our program in a block of shell."""
    found = []
    for path in PAGES:
        blocks = re.findall(r"```sh\n(.*?)```", (ROOT / path).read_text(), flags=re.DOTALL)
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        found += [(path, line) for line in lines if re.match(r"(\.venv/bin/)?airwarden ", line)]
    return found


@cache
def program() -> Any:
    """Return the program with all its commands; to read their options takes longer than a page."""
    return typer.main.get_command(application())


@pytest.mark.parametrize("path", [page for page in PAGES if page != "ROADMAP.md"])
def test_every_airwarden_command_that_is_named_exists(path: str) -> None:
    known = set(program().commands)
    named = set(
        re.findall(r"(?:^|bin/|\s)airwarden ([a-z][a-z-]+)", code_of(path), flags=re.MULTILINE)
    )
    assert named - known == set()


@pytest.mark.parametrize(("path", "line"), shell_lines())
def test_every_command_line_is_one_that_the_program_understands(path: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = program()
    while words and (inner := getattr(command, "commands", {}).get(words[0])):
        command, words = inner, words[1:]
    if words not in (["--help"], ["--version"]):
        assert command.make_context("airwarden", words).command is command


def test_the_stories_that_are_named_exist_and_the_first_five_are_told_in_the_readme() -> None:
    known = {story.name for story in (*FIRST_FIVE, *MORE)}
    named = {
        name
        for path in PAGES
        for names in re.findall(r"STORIES=([\w,-]+)", code_of(path))
        for name in names.split(",")
    }
    assert named - known <= {"all"}
    readme = (ROOT / "README.md").read_text()
    assert [s.name for s in FIRST_FIVE] == re.findall(r"^\| `([a-z-]+)` \|", readme, re.MULTILINE)


def test_every_folder_of_documentation_is_listed_in_its_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    listed = set(LINK.findall(index))
    pages = {path.removeprefix("docs/") for path in committed("docs/*.md")}
    own = {page for page in pages if not page.startswith("decisions/") and page != "README.md"}
    assert own - listed == set()
    decisions = (ROOT / "docs/decisions/README.md").read_text()
    for page in pages:
        if page.startswith("decisions/0"):
            assert f"({page.removeprefix('decisions/')})" in decisions
