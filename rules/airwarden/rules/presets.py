"""Shipped expressions for well-known exporters: one YAML file each in `presets/`.

Each file says which exporter it is about, its parameters, and for each metric of ours an expression over
that exporter's own series. `<<where>>` stands for the operator's matchers, `<<NAME>>` for a parameter.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from airwarden.core.errors import WrongInputError
from airwarden.core.own_yaml import load_own

_PLACE = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True, slots=True)
class PresetMetric:
    """One metric of a preset.

    Attributes:
        metric: Its name in the catalogue.
        expr: A template of PromQL.
        labels: Labels of fixed value.
        whole: Whether it stands for the metric as a whole although it has labels of fixed value.
    """

    metric: str
    expr: str
    labels: Mapping[str, str]
    whole: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """Expressions for one exporter.

    Attributes:
        name: As in `preset: NAME`.
        about: Which exporter it is, and what it must have been told.
        parameters: Name → default.
        metrics: What it gives.
    """

    name: str
    about: str
    parameters: Mapping[str, str]
    metrics: tuple[PresetMetric, ...]

    def expression(self, one: PresetMetric, where: str, parameters: Mapping[str, str]) -> str:
        """Return the expression of one of its metrics.

        Args:
            one: Which.
            where: Label matchers of the operator, or nothing.
            parameters: Those that differ from the defaults.
        """
        values = {**self.parameters, **parameters}
        quoted = {n: v.replace("\\", "\\\\").replace('"', '\\"') for n, v in values.items()}
        quoted["where"] = f"{where.strip().rstrip(',')}," if where.strip() else ""
        return _PLACE.sub(lambda found: quoted[found[1]], one.expr).strip()


@cache
def presets() -> Mapping[str, Preset]:
    """Return every shipped preset by its name."""
    folder = resources.files("airwarden.rules") / "presets"
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=str)
    found = [_preset(one.name.removesuffix(".yaml"), load_own(one.read_text())) for one in files]
    return {one.name: one for one in found}


def preset(name: str, *, place: str) -> Preset:
    """Return the preset of that name.

    Raises:
        WrongInputError: There is none; the hint names the nearest.
    """
    if name not in presets():
        near = difflib.get_close_matches(name, presets(), 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(presets())}"
        raise WrongInputError(f"there is no preset {name!r}", place=place, hint=hint)
    return presets()[name]


def _preset(name: str, data: Mapping[str, Any]) -> Preset:
    metrics = tuple(
        PresetMetric(
            one["metric"], one["expr"], one.get("labels", {}), bool(one.get("whole", False))
        )
        for one in data["metrics"]
    )
    return Preset(name, " ".join(data["about"].split()), data.get("parameters", {}), metrics)
