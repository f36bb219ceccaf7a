"""One import name over seven folders: every list of them is the same, and nothing hides one."""

from __future__ import annotations

import importlib

import pytest

from support.repository import PARTS, ROOT, committed, project


@pytest.mark.parametrize("part", PARTS)
def test_nothing_stands_where_it_would_hide_the_other_parts(part: str) -> None:
    strays = [path for path in committed(f"{part}/airwarden/*") if path.count("/") < 3]
    assert strays == [], "a module in the namespace folder itself hides every other part"
    assert sorted(entry.name for entry in (ROOT / part / "airwarden").iterdir()) == [part]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_imported_from_its_own_folder_and_typed(part: str) -> None:
    module = importlib.import_module(f"airwarden.{part}")
    assert module.__file__ == str(ROOT / part / "airwarden" / part / "__init__.py")
    assert (ROOT / part / "airwarden" / part / "py.typed").is_file()


def test_every_list_of_parts_is_the_same() -> None:
    tool = project()["tool"]
    build, mypy = tool["hatch"]["build"], tool["mypy"]
    assert tuple(build["dev-mode-dirs"]) == PARTS
    assert tuple(build["targets"]["wheel"]["packages"]) == tuple(f"{p}/airwarden" for p in PARTS)
    assert build["targets"]["sdist"]["include"][: len(PARTS)] == [f"/{p}" for p in PARTS]
    checked = (*PARTS, "deploy/local", "deploy/container", "tests")
    assert tuple(mypy["files"]) == checked
    assert mypy["mypy_path"] == ":".join(checked)
    assert tuple(tool["ruff"]["src"]) == checked
    layers = tool["importlinter"]["contracts"][0]["layers"]
    named = [name.strip() for layer in reversed(layers) for name in layer.split("|")]
    assert named == [f"airwarden.{part}" for part in PARTS]


def test_every_folder_that_holds_the_namespace_is_a_known_part() -> None:
    holders = {path.split("/airwarden/")[0] for path in committed("*/airwarden/*.py")}
    assert holders == set(PARTS)
