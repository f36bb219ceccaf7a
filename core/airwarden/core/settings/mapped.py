"""`clusters[].mapped:`: what the site's own exporters already measure, and how it is found there."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from airwarden.core.settings.base import Section, wrong


class Mapped(Section):
    """Takes metrics of the catalogue from series that your Prometheus already has, by a recording rule of
    `airwarden build`; the exporter then leaves them out. Either a preset, or a metric with its
    expression."""

    preset: str | None = None
    """A shipped set of expressions for a well-known exporter; `airwarden check` names them all."""

    where: str = Field(default="", max_length=2_000)
    """With `preset`: PromQL label matchers that pick this platform's series, for example
    `namespace="airflow",job="redis-exporter"`."""

    parameters: dict[str, str] = Field(default_factory=dict)
    """With `preset`: its parameters that differ from the defaults, for example `database: airflow`."""

    without: tuple[str, ...] = ()
    """With `preset`: metrics of it that are not to be mapped."""

    metric: str | None = None
    """A metric of the catalogue; of a histogram map its `_bucket`, `_sum` and `_count`."""

    expr: str | None = Field(default=None, max_length=20_000)
    """With `metric`: a PromQL expression whose result has the metric's labels, `cluster` and those
    under `labels` left out: `sum by (queue) (…)`."""

    labels: dict[str, str] = Field(default_factory=dict)
    """With `metric`: labels of fixed value, for example `resource: gpu`. Only samples with these values
    are then left out by the exporter."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.preset is None) == (self.metric is None):
            raise ValueError("give exactly one of preset and metric")
        if (self.metric is None) != (self.expr is None):
            raise ValueError("metric and expr go together")
        of_presets, of_metrics = ("where", "parameters", "without"), ("labels",)
        for name in of_metrics if self.preset is not None else of_presets:
            if getattr(self, name):
                raise wrong(name, f"goes with {'metric' if self.preset else 'preset'} alone")
        return self
