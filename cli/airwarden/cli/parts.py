"""Parts of what is generated, for a site that has the rest already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airwarden.cli.drawing import Draw, here
from airwarden.cli.options import Part, RuleFormat, read_text
from airwarden.cli.outputs import render_all, resolved, rule_config
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings
from airwarden.rules.catalogue import resolve
from airwarden.rules.routing import check_form
from airwarden.rules.yaml_text import dump

if TYPE_CHECKING:
    from airwarden.cli.checks.finding import Finding

#: Folder or file that a part's paths begin with.
_PLACES = {
    Part.RULES: ("prometheus/rules/",),
    Part.SCRAPE: ("prometheus/prometheus.yml",),
    Part.ALERTMANAGER: ("alertmanager/",),
    Part.RUNBOOKS: ("runbooks/",),
    Part.DASHBOARDS: ("grafana/", "dashboards/"),
}
_SUBTREE = "alertmanager/airwarden-subtree.yml"
_MERGED = "alertmanager/merged.yml"


def render_parts(
    settings: Settings,
    only: Sequence[Part],
    rules_for: RuleFormat,
    merge_into: Path | None,
    draw: Draw = here,
) -> Mapping[str, str]:
    """Return relative path → content.

    Args:
        settings: The installation.
        only: Which parts; all but the subtree where it is empty.
        rules_for: Who evaluates the rules.
        merge_into: A site's Alertmanager configuration: the subtree is merged into it.
        draw: What draws the dashboards.

    Raises:
        WrongInputError: The settings or that configuration are wrong.
    """
    wanted = set(only) or set(_PLACES)
    left_out = tuple(
        place for part, places in _PLACES.items() if part not in wanted for place in places
    )
    elsewhere = Part.RULES in wanted and rules_for is not RuleFormat.PROMETHEUS
    if elsewhere:
        left_out += _PLACES[Part.RULES]
    rendered = render_all(settings, draw if Part.DASHBOARDS in wanted else None)
    files = {path: text for path, text in rendered.items() if not path.startswith(left_out)}
    # Most sites ask for none of these, and each is slow to import.
    if elsewhere:
        from airwarden.rules import formats

        files |= formats.formatted(resolved(settings), formats.RuleFormat(rules_for.value))
    if Part.KUBERNETES in wanted:
        from airwarden.cli.kubernetes_objects import kubernetes_files

        files |= kubernetes_files(settings, draw)
    if Part.ALERTMANAGER_SUBTREE in wanted or merge_into is not None:
        from airwarden.rules.subtree import merged, subtree

        part = subtree(resolved(settings))
        files[_SUBTREE] = dump(part)
        if merge_into is not None:
            files[_MERGED] = dump(merged(read_alertmanager(merge_into), part))
    return files


def read_alertmanager(path: Path) -> Mapping[str, Any]:
    """Read an Alertmanager configuration.

    Raises:
        WrongInputError: It is none.
    """
    import yaml

    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise WrongInputError(f"is not YAML: {error}", place=str(path)) from None
    if not isinstance(document, dict) or not isinstance(document.get("route"), dict):
        raise WrongInputError("is no configuration of Alertmanager: no route", place=str(path))
    try:
        check_form(document)
    except WrongInputError as error:
        raise WrongInputError(error.message, place=f"{path}: {error.place}") from None
    return document


def check_alertmanager(settings: Settings, theirs: Path, whole: Path | None) -> Iterator[Finding]:
    """Yield what a site's Alertmanager does otherwise once our part is in it.

    Args:
        settings: The installation.
        theirs: Its configuration without our part.
        whole: With it, as it was merged; None: as `airwarden build --merge-into` merges it.

    Raises:
        WrongInputError: One of them is no configuration of Alertmanager.
    """
    from airwarden.cli.checks.finding import Finding, Level
    from airwarden.rules.subtree import compare, merged, subtree

    rules = resolve(rule_config(settings))
    before = read_alertmanager(theirs)
    after = merged(before, subtree(rules)) if whole is None else read_alertmanager(whole)
    file = theirs if whole is None else whole
    for found in compare(before, after, rules):
        place = f"{file}: {found.place}"
        yield Finding(place, Level(found.severity.value), found.message, found.hint)
