"""Commands, webhooks and units: what may be run, called or touched is listed, and nothing loose is accepted."""

from __future__ import annotations

import pytest

from airwarden.core.platform import Component
from airwarden.core.settings import Settings, WrongSettingsError, parse
from airwarden.core.settings.own_actions import DangerClass

CLUSTER = """
clusters:
  - airflow: {{url: "http://127.0.0.1:8080", auth: {{username: svc, password_env: PW}}}}
    host: {host}
"""


def read(text: str) -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


def refusal(text: str) -> str:
    with pytest.raises(WrongSettingsError) as caught:
        read(text)
    return " ".join(str(problem) for problem in caught.value.problems)


def test_what_is_listed_is_of_danger_c_until_somebody_says_otherwise() -> None:
    wanted = read("remediator: {commands: {fix: {run: [/bin/fix, $node]}}}").remediator
    assert wanted.commands["fix"].run == ("/bin/fix", "$node")
    assert wanted.commands["fix"].danger is DangerClass.C


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("commands: {fix: {run: [fix]}}", "absolute path"),
        ('commands: {fix: {run: ["/bin/$label"]}}', "no label"),
        ("commands: {fix: {run: []}}", "at least 1"),
        ("commands: {fix: {run: [/bin/fix], undo: [unfix]}}", "absolute path"),
        ("commands: {fix: {run: [/bin/fix], timeout: 6m}}", "at most 5m"),
        ("commands: {Fix It: {run: [/bin/fix]}}", "small letters"),
        ('webhooks: {ring: {url: "http://example.com/"}}', "expected https"),
        ('webhooks: {ring: {url: "https://u:p@example.com/"}}', "credentials"),
        ('webhooks: {ring: {url: "https://example.com/", token: abc}}', "token"),
    ],
)
def test_what_is_loose_is_refused(section: str, said: str) -> None:
    assert said in refusal(f"remediator: {{{section}}}")


def test_systemds_units_are_named_whole() -> None:
    units = "{systemd: {units: {scheduler: [airflow-scheduler.service]}}}"
    (cluster,) = read(CLUSTER.format(host=units)).clusters
    assert cluster.host is not None
    assert cluster.host.systemd is not None
    assert cluster.host.systemd.units[Component.SCHEDULER] == ("airflow-scheduler.service",)


def test_a_namespace_is_all_that_kubernetes_needs() -> None:
    (cluster,) = read(CLUSTER.format(host="{kubernetes: {namespace: airflow}}")).clusters
    assert cluster.host is not None
    wanted = cluster.host.kubernetes
    assert wanted is not None
    assert (wanted.namespace, wanted.kubeconfig, wanted.release) == ("airflow", None, "")
    assert wanted.celery_hostname.format(pod="w-0") == "celery@w-0"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("{}", "one of supervisord, systemd and kubernetes"),
        ("{systemd: {units: {scheduler: [airflow-scheduler]}}}", "is no unit"),
        ("{systemd: {units: {scheduler: [--force.service]}}}", "is no unit"),
        ("{kubernetes: {namespace: a, context: b}}", "give kubeconfig too"),
        ("{kubernetes: {namespace: Not-One}}", "namespace"),
        ('{kubernetes: {namespace: a, celery_hostname: "celery@{host}"}}', "celery_hostname"),
        (
            '{supervisord: {url: "http://127.0.0.1:9001/RPC2"}, systemd: {}}',
            "one of supervisord, systemd and kubernetes",
        ),
    ],
)
def test_one_supervisor_and_whole_names(host: str, said: str) -> None:
    assert said in refusal(CLUSTER.format(host=host))
