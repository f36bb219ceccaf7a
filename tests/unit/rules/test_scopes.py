"""Overrides for a part of the platform: the most specific wins, and no series is judged twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.errors import WrongInputError
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.catalogue import ALERTS, resolve
from airwarden.rules.config import AlertOverride, RuleConfig, ScopedOverride
from airwarden.rules.scopes import SPECIFICITY, Matcher, applied, merged, partition

LABELS = ("dag_id", "team", "tier", "cluster")
VALUES = ("a", "b", "c")

where = st.dictionaries(
    st.sampled_from(LABELS),
    st.lists(st.sampled_from(VALUES[:2]), min_size=1, unique=True).map(tuple),
    min_size=1,
)
change = st.builds(
    AlertOverride,
    hold=st.none() | st.integers(1, 9).map(lambda n: timedelta(minutes=n)),
    at_least=st.none() | st.integers(1, 9),
    enabled=st.none() | st.booleans(),
)
overrides = st.lists(st.builds(ScopedOverride, where, change), max_size=5).map(tuple)
series = st.fixed_dictionaries({label: st.sampled_from(VALUES) for label in LABELS})


@given(overrides, series)
def test_every_series_is_in_one_part_and_gets_the_most_specific(
    scoped: tuple[ScopedOverride, ...], labels: dict[str, str]
) -> None:
    base = AlertOverride(at_least=5, scoped=scoped)
    found = [
        effect
        for scope, effect in partition(base)
        if all(matcher.admits(labels) for matcher in scope)
    ]
    assert found == [merged(base, applied(base, labels))]


def test_more_labels_win_then_the_label_that_says_more() -> None:
    def one(at_least: int, **where: str) -> ScopedOverride:
        return ScopedOverride(
            {name: (value,) for name, value in where.items()}, AlertOverride(at_least=at_least)
        )

    base = AlertOverride(
        scoped=(
            one(1, cluster="a"),
            one(2, tier="a"),
            one(3, team="a"),
            one(4, dag_id="a"),
            one(5, tier="a", cluster="a"),
            one(6, team="a", cluster="a"),
        )
    )

    def wins(**labels: str) -> int | None:
        return merged(base, applied(base, labels)).at_least

    assert wins(cluster="a") == 1
    assert wins(tier="a", cluster="b") == 2
    assert wins(tier="a", team="a", cluster="b") == 3
    assert wins(tier="a", team="a", dag_id="a", cluster="b") == 4
    assert wins(tier="a", cluster="a") == 5
    assert wins(tier="a", team="a", dag_id="a", cluster="a") == 6
    assert wins(cluster="c") is None


def test_what_is_alike_becomes_one_rule() -> None:
    same = AlertOverride(at_least=7)
    names = [f"dag_{n}" for n in range(500)]
    base = AlertOverride(scoped=tuple(ScopedOverride({"dag_id": (n,)}, same) for n in names))
    (those, _), (others, _) = partition(base)
    assert len(those[0].values) == 500
    assert not others[0].positive


@pytest.mark.parametrize(
    ("values", "positive", "text"),
    [
        (("growth",), True, 'team="growth"'),
        (("growth",), False, 'team!="growth"'),
        (("a.b", "c|d"), True, r'team=~"a\\.b|c\\|d"'),
        (('say "hi"\n',), True, r'team="say \"hi\"\n"'),
    ],
)
def test_names_are_matched_as_they_are(values: tuple[str, ...], positive: bool, text: str) -> None:
    assert str(Matcher("team", values, positive)) == text


SPLITS = [(name, label) for name, rule in ALERTS.items() for label in rule.scopes]


@pytest.mark.parametrize(("name", "label"), SPLITS)
def test_a_part_is_selected_in_its_own_rule_and_left_out_of_the_others(
    name: str, label: str
) -> None:
    change = AlertOverride(hold=timedelta(minutes=77))
    override = AlertOverride(scoped=(ScopedOverride({label: ("it",)}, change),))
    rules = resolve(RuleConfig(overrides={name: override}))
    part, rest = rules.variants(name)
    assert (part.hold, rest.hold) == (timedelta(minutes=77), ALERTS[name].hold)
    assert f'{label}="it"' in part.rule.expr(part)
    assert f'{label}!="it"' in rest.rule.expr(rest)


@pytest.mark.parametrize(
    "name", [name for name, rule in ALERTS.items() if not rule.about_airwarden]
)
def test_every_alert_may_differ_between_clusters(name: str) -> None:
    override = AlertOverride(
        scoped=(ScopedOverride({"cluster": ("east",)}, AlertOverride(enabled=False)),)
    )
    rules = resolve(RuleConfig(clusters=("east", "west"), overrides={name: override}))
    (rest,) = rules.variants(name)
    assert 'cluster!="east"' in rest.rule.expr(rest)


def test_the_labels_that_alerts_are_split_by_have_a_rank() -> None:
    assert {label for rule in ALERTS.values() for label in rule.scopes} <= set(SPECIFICITY)


@pytest.mark.parametrize(
    ("name", "scoped", "says"),
    [
        ("AirflowSchedulerLagHigh", {"team": ("a",)}, "does not tell apart by team (it can be changed by cluster)"),
        ("AirflowTaskQueueDepthHigh", {}, "overrides[0].where: names nothing"),
        ("AirwardenRemediatorDown", {"cluster": ("a",)}, "does not tell apart by cluster"),
    ],
)  # fmt: skip
def test_a_part_that_the_alert_does_not_know_is_refused(
    name: str, scoped: dict[str, tuple[str, ...]], says: str
) -> None:
    override = AlertOverride(scoped=(ScopedOverride(scoped, AlertOverride(at_least=None)),))
    with pytest.raises(WrongInputError) as refused:
        resolve(RuleConfig(overrides={name: override}))
    assert says in str(refused.value)


def test_an_alert_that_is_off_may_be_on_for_a_part() -> None:
    override = AlertOverride(
        enabled=False,
        scoped=(ScopedOverride({"queue": ("gpu",)}, AlertOverride(enabled=True)),),
    )
    rules = resolve(RuleConfig(overrides={"AirflowTaskQueueDepthHigh": override}))
    (only,) = rules.variants("AirflowTaskQueueDepthHigh")
    assert only.series("airwarden_celery_queue_messages").endswith('{queue="gpu"}')


@pytest.mark.parametrize("name", [name for name, r in ALERTS.items() if Unit.USUAL in r.units])
def test_what_may_be_compared_with_what_is_usual_records_it(name: str) -> None:
    words = parse_threshold("3x usual for 30m")
    rules = resolve(RuleConfig(overrides={name: AlertOverride(threshold=words)}))
    context = rules.get(name)
    assert context is not None
    assert context.rule.measure is not None
    usual = context.rule.measure(rules.config).usual
    assert f"3 * {usual}" in context.rule.expr(context)


@pytest.mark.parametrize(
    ("name", "unnamed"),
    [
        ("AirflowDagRunOverdue", 'tier="critical"'),
        ("AirflowDataFreshnessBreach", 'tier!="critical"'),
    ],
)
def test_an_override_for_one_tier_widens_the_alert_by_that_tier_alone(
    name: str, unnamed: str
) -> None:
    change = AlertOverride(hold=timedelta(minutes=20))
    wheres: tuple[dict[str, tuple[str, ...]], ...] = (
        {"tier": ("critical", "high")},
        {"tier": ("low",), "cluster": ("a",)},
    )
    override = AlertOverride(scoped=tuple(ScopedOverride(where, change) for where in wheres))
    found = {
        tuple(map(str, context.scope)): unnamed
        in context.rule.expr(context).replace(", ".join(map(str, context.scope)), "")
        for context in resolve(RuleConfig(overrides={name: override})).variants(name)
    }
    assert found == {
        ('tier=~"critical|high"',): False,
        ('tier="low"', 'cluster="a"'): False,
        ('tier="low"', 'cluster!="a"'): True,
        ('tier!~"critical|high|low"',): True,
    }
