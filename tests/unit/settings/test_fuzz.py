"""Whatever an operator writes is either settings or a clear refusal, never a traceback."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airwarden.core.settings import Settings, WrongSettingsError, document, parse
from airwarden.core.settings.document import read_document
from airwarden.core.settings.schema import walk

KEYS = sorted({entry.name for entry in walk(Settings)} | {"url_file", "password_env", "x"})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["5m", ">5% for 10 minutes", "127.0.0.1:0", "http://h:1", "auto", "scheduler"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def accepts_or_refuses(text: str, **environ: str) -> None:
    with contextlib.suppress(WrongSettingsError):
        parse(text, source="airwarden.yaml", environ=environ)


@pytest.mark.thorough
@QUICK
@given(st.text(max_size=80))
@example("a: " + "[" * 3000)
@example("a: " + "[" * 60_000)
@example("- " * 200_000)
@example("a: " + "{b: " * 100_000)
@example("? [a, b]\n: c\n")
@example("? {a: b}\n: c\n")
@example("<<: 5\n")
@example("<<: [1]\n")
@example("a: !!python/object:os.system x\n")
@example("a: !!binary '@@'\n")
@example("a: !!timestamp x\n")
@example("--- a\n--- b\n")
@example("\x00")
@example("exporter: {listen: 'http://[::1'}")
@example("prometheus: {url: 'http://[::1'}")
@example("prometheus: {url: 'http://h:99999'}")
def test_any_text(text: str) -> None:
    accepts_or_refuses(text)


@QUICK
@given(TREES)
@example(
    {"a": ["on", "yes", "12:30", "0x1f", "1_000", "1e3", ".5", "~", "null", "2026-01-05", "="]}
)
def test_libyaml_reads_what_pyyaml_reads(tree: object) -> None:
    text = f"top: {yaml.safe_dump(tree, default_flow_style=True)}"
    fast = read_document(text, source="f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_FastLoader", document._Loader)
        slow = read_document(text, source="f")
    # NaN differs from itself.
    assert repr(fast) == repr(slow)


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), TREES, max_size=4))
def test_any_values_under_known_keys(tree: dict[str, object]) -> None:
    accepts_or_refuses(yaml.safe_dump(tree))


@QUICK
@given(
    st.lists(st.sampled_from([*KEYS, "0", "1", "7"]), min_size=1, max_size=5),
    st.one_of(st.text(max_size=12), st.sampled_from(["[a, b]", "{a: b}", "[", "5m"])),
)
def test_any_variable(steps: list[str], value: str) -> None:
    variable = "AIRWARDEN_" + "__".join(step.upper() for step in steps)
    accepts_or_refuses("clusters: [{name: a}]", **{variable: value})
