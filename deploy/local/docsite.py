"""MkDocs' hooks: the site's navigation and its links, from what the pages themselves say.

On a forge the pages are read where they lie, with links between files of the repository. The site has the
same pages: those under `docs/`, the runbooks, and the project's own. A link to a page becomes one within the
site, a link to anything else of the repository becomes its text. Anchors are made as forges make them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: Folder or file of the repository → where its pages are in the site.
OUTSIDE = {"rules/airwarden/rules/runbooks": "runbooks"}
PROJECT = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "ROADMAP.md", "SECURITY.md")
#: Heading of a table in docs/README.md → its part of the navigation.
SECTIONS = {
    "to learn it": "Tutorial",
    "to get something done": "How-to",
    "to understand it": "Explanation",
    "to look it up": "Reference",
}
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<to>[^)\s]+)\)")


def outside() -> dict[str, str]:
    """Return path in the repository → address in the site, of the pages that lie outside docs/."""
    found = {name: f"project/{name.lower()}" for name in PROJECT}
    for folder, place in OUTSIDE.items():
        found |= {
            f"{folder}/{one.name}": f"{place}/{one.name}" for one in (ROOT / folder).glob("*.md")
        }
    return found


def navigation() -> list[dict[str, Any]]:
    """Return the navigation, in the order of docs/README.md."""
    nav: list[dict[str, Any]] = [{"Overview": "README.md"}]
    section = ""
    parts: dict[str, list[dict[str, str]]] = {}
    for line in (ROOT / "docs/README.md").read_text(encoding="utf-8").splitlines():
        heading = next(
            (name for told, name in SECTIONS.items() if line.startswith(f"| {told}")), ""
        )
        section = heading or section
        row = re.match(r"\| \[([^\]]+)\]\(([^)]+\.md)\)", line)
        if row and section:
            parts.setdefault(section, []).append({row[1]: row[2]})
    nav += [{name: pages} for name, pages in parts.items()]
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    nav.append(
        {"Decisions": ["decisions/README.md", *(f"decisions/{one.name}" for one in decisions)]}
    )
    runbooks = sorted(place for place in outside().values() if place.startswith("runbooks/"))
    nav.append({"Runbooks": runbooks})
    nav.append({"Project": [place for place in outside().values() if place.startswith("project/")]})
    return nav


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation, and anchors as forges make them."""
    config.nav = navigation()
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    return config


def anchor(heading: str, separator: str) -> str:
    """Return a heading's anchor."""
    del separator
    return re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for source, place in outside().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links of the site."""
    del config, files
    places = outside()
    sources = {place: source for source, place in places.items()}
    here = page.file.src_uri
    source = sources.get(here, f"docs/{here}")

    def linked(match: re.Match[str]) -> str:
        to, text = match["to"], match["text"]
        if match["image"] or re.match(r"[a-z]+:|#", to):
            return match[0]
        path, hash_, fragment = to.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if (ROOT / target).is_dir():
            target = posixpath.join(target, "README.md")
        place = places.get(target) or (
            target.removeprefix("docs/") if target.startswith("docs/") else ""
        )
        if not place or not (ROOT / target).is_file():
            return text
        relative = posixpath.relpath(place, posixpath.dirname(here) or ".")
        return f"[{text}]({relative}{hash_}{fragment})"

    return "".join(part if code else _LINK.sub(linked, part) for code, part in _pieces(markdown))


def _pieces(markdown: str) -> Iterator[tuple[bool, str]]:
    """Return the text in pieces, each with whether it is a block of code."""
    last = 0
    for block in re.finditer(r"^```.*?^```[^\n]*$", markdown, re.MULTILINE | re.DOTALL):
        yield False, markdown[last : block.start()]
        yield True, block[0]
        last = block.end()
    yield False, markdown[last:]
