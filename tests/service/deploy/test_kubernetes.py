"""Kustomize and the chart: valid for Kubernetes, careful, equal in meaning, and fitting to what the code looks for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.adapters.kubernetes_reading import selector
from airwarden.core.platform import Component
from airwarden.core.settings import parse
from support.manifests import (
    CHART,
    KUBERNETES,
    Manifest,
    by_key,
    key_of,
    kustomized,
    pod_specs,
    refused,
    run_tool,
    templated,
    violations,
)

PROGRAMS = {"exporter": 2, "remediator": 3}


@pytest.fixture(scope="session")
def base() -> Sequence[Manifest]:
    return kustomized(KUBERNETES / "base")


@pytest.fixture(scope="session")
def monitored() -> Sequence[Manifest]:
    return kustomized(KUBERNETES / "overlays/prometheus-operator")


@pytest.fixture(scope="session")
def chart() -> Sequence[Manifest]:
    return templated("--set", "createNamespace=true")


@pytest.fixture(scope="session")
def whole_chart() -> Sequence[Manifest]:
    return templated("--set", "createNamespace=true,prometheusOperator.enabled=true")


@pytest.fixture(params=["base", "monitored", "chart", "whole_chart"])
def rendered(request: pytest.FixtureRequest) -> Sequence[Manifest]:
    things: Sequence[Manifest] = request.getfixturevalue(request.param)
    return things


def test_every_object_is_what_kubernetes_takes_and_no_field_is_unknown(
    rendered: Sequence[Manifest],
) -> None:
    assert [why for thing in rendered for why in violations(thing)] == []


def test_a_wrong_field_would_be_noticed(base: Sequence[Manifest]) -> None:
    for thing in base:
        broken = copy.deepcopy(thing)
        broken.setdefault("spec" if "spec" in thing else "metadata", {})["replicaz"] = 3
        assert violations(broken), key_of(thing)


def test_a_careful_administrator_refuses_nothing(rendered: Sequence[Manifest]) -> None:
    assert len(list(pod_specs(rendered))) == len(PROGRAMS)
    assert refused(rendered) == []


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("spec", "securityContext", "runAsNonRoot"), False, "may run as root"),
        (("spec", "topologySpreadConstraints"), [], "may all run on one node"),
        (("container", "securityContext", "readOnlyRootFilesystem"), False, "writes its root"),
        (("container", "securityContext", "capabilities"), {}, "keeps capabilities"),
        (("container", "resources", "limits"), {"cpu": "1"}, "no limits of memory"),
        (("container", "image"), "airwarden:latest", "an image without a version"),
    ],
)
def test_what_is_careless_would_be_refused(
    place: tuple[str, ...], value: object, why: str, base: Sequence[Manifest]
) -> None:
    (deployment,) = [
        copy.deepcopy(thing)
        for thing in base
        if key_of(thing) == ("Deployment", "airwarden", "airwarden-exporter")
    ]
    where: dict[str, Any] = deployment["spec"]["template"]["spec"]
    if place[0] == "container":
        where = where["containers"][0]
    for step in place[1:-1]:
        where = where[step]
    where[place[-1]] = value
    assert any(why in told for told in refused([deployment]))


def meaning(thing: Manifest) -> Manifest:
    """Return an object without what only says how it was rendered."""
    found = copy.deepcopy(thing)
    found["metadata"]["name"] = key_of(thing)[2]
    if thing["kind"] == "ConfigMap":
        found["data"] = {name: yaml.safe_load(text) for name, text in thing["data"].items()}
    template = found.get("spec", {}).get("template")
    if template:
        # Both ways to have pods rolled over by a change of the settings.
        template["metadata"].pop("annotations", None)
        for volume in template["spec"]["volumes"]:
            if "configMap" in volume:
                volume["configMap"]["name"] = "airwarden-settings"
        for container in template["spec"]["containers"]:
            if container.get("imagePullPolicy") == "IfNotPresent":
                del container["imagePullPolicy"]  # Kubernetes' own default
    return found


@pytest.mark.parametrize(
    ("ours", "theirs"), [("base", "chart"), ("monitored", "whole_chart")], ids=["base", "operator"]
)
def test_the_chart_means_what_kustomize_means(
    ours: str, theirs: str, request: pytest.FixtureRequest
) -> None:
    left, right = (by_key(request.getfixturevalue(name)) for name in (ours, theirs))
    assert set(left) == set(right)
    for key, thing in left.items():
        assert meaning(thing) == meaning(right[key]), key


def test_each_program_has_its_replicas_its_budget_and_a_policy(base: Sequence[Manifest]) -> None:
    things = by_key(base)
    for program, replicas in PROGRAMS.items():
        name = f"airwarden-{program}"
        deployment = things["Deployment", "airwarden", name]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["replicas"] == replicas
        for kind, field in (
            ("Service", ("selector",)),
            ("PodDisruptionBudget", ("selector", "matchLabels")),
            ("NetworkPolicy", ("podSelector", "matchLabels")),
        ):
            wanted: Mapping[str, Any] = things[kind, "airwarden", name]["spec"]
            for step in field:
                wanted = wanted[step]
            assert wanted, kind
            assert wanted.items() <= labels.items(), kind
        assert things["PodDisruptionBudget", "airwarden", name]["spec"]["maxUnavailable"] == 1
        policy = things["NetworkPolicy", "airwarden", name]["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule["from"] for rule in policy["ingress"])


def test_programs_wait_for_their_successor_and_reach_each_other(base: Sequence[Manifest]) -> None:
    things = by_key(base)
    for program in PROGRAMS:
        deployment = things["Deployment", "airwarden", f"airwarden-{program}"]["spec"]
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    caller = things["NetworkPolicy", "airwarden", "airwarden-remediator"]["spec"]
    called = things["NetworkPolicy", "airwarden", "airwarden-exporter"]["spec"]
    ports = {port["port"] for rule in caller["egress"] for port in rule["ports"]}
    assert 9810 in ports
    assert {"podSelector": caller["podSelector"]} in called["ingress"][0]["from"]


def test_the_pooler_of_the_official_chart_is_reached(base: Sequence[Manifest]) -> None:
    things = by_key(base)
    for program in PROGRAMS:
        policy = things["NetworkPolicy", "airwarden", f"airwarden-{program}"]["spec"]
        assert {"protocol": "TCP", "port": 6543} in policy["egress"][1]["ports"]


def test_the_roles_are_those_of_the_rights_and_bound_to_the_pods_accounts(
    base: Sequence[Manifest],
) -> None:
    things = by_key(base)
    for program in PROGRAMS:
        name = f"airwarden-{program}"
        shipped = yaml.safe_load_all((KUBERNETES / f"rights/{program}.yaml").read_text())
        (rules,) = (one["rules"] for one in shipped if one["kind"] == "Role")
        assert things["Role", "airflow", name]["rules"] == rules
        binding = things["RoleBinding", "airflow", name]
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "airwarden")
        pod = things["Deployment", "airwarden", name]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == subject["name"]
        assert ("ServiceAccount", "airwarden", subject["name"]) in things


def test_the_adapter_never_takes_our_own_pods_for_airflows(base: Sequence[Manifest]) -> None:
    wanted = selector("")
    assert "tier=airflow" in wanted
    for thing in base:
        labels = {**thing["metadata"].get("labels", {})}
        labels |= thing.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
        assert "tier" not in labels
        assert labels.get("component") not in {one.value for one in Component}


def test_the_settings_are_taken_and_fit_to_services_mounts_and_roles(
    base: Sequence[Manifest],
) -> None:
    things = by_key(base)
    text = things["ConfigMap", "airwarden", "airwarden-settings"]["data"]["airwarden.yaml"]
    settings = parse(text, source="airwarden.yaml", environ={})
    for program, listens in (("exporter", settings.exporter), ("remediator", settings.remediator)):
        name = f"airwarden-{program}"
        service = things["Service", "airwarden", name]
        (port,) = service["spec"]["ports"]
        assert listens.url == f"http://{name}.airwarden.svc:{port['port']}"
        (container,) = things["Deployment", "airwarden", name]["spec"]["template"]["spec"][
            "containers"
        ]
        assert container["ports"] == [{"name": "http", "containerPort": listens.listen.port}]
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert mounts["settings"] == "/etc/airwarden"
        assert text.count(f"{mounts['secrets']}/") == len(re.findall("(?<!checkpoint)_file:", text))
    host = settings.clusters[0].host
    assert host is not None
    assert host.kubernetes is not None
    assert ("Role", host.kubernetes.namespace, "airwarden-remediator") in things


def test_what_scrapes_names_the_jobs_that_the_rules_know(monitored: Sequence[Manifest]) -> None:
    things = by_key(monitored)
    for program in PROGRAMS:
        name = f"airwarden-{program}"
        monitor = things["ServiceMonitor", "airwarden", name]["spec"]
        service = things["Service", "airwarden", name]
        assert "jobLabel" not in monitor  # so that the job is the Service's name
        chosen = monitor["selector"]["matchLabels"].items()
        assert chosen <= service["metadata"]["labels"].items()
        assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("exporter.replicas=0", "replicas"),
        ("remediator.resources.limits.memory=lots", "memory"),
        ("image.tagg=1", "tagg"),
        ("airflowNamespace=Not_A_Name", "airflowNamespace"),
        ("networkPolicy.extraEgressPorts={70000}", "extraEgressPorts"),
    ],
)
def test_wrong_values_are_refused_by_name(values: str, told: str) -> None:
    outcome = run_tool("helm", "template", "airwarden", CHART, "--set", values)
    assert outcome.returncode != 0
    assert told in outcome.stderr


def test_values_reach_the_objects() -> None:
    things = by_key(
        templated(
            *("--set", "airflowNamespace=flow"),
            *("--set", "image.tag=v9"),
            *("--set", "networkPolicy.enabled=false"),
            *("--set", "remediator.stateClaim=kept"),
            *SHARED,
        )
    )
    assert ("Role", "flow", "airwarden-exporter") in things
    kinds = {kind for kind, _, _ in things}
    assert {"NetworkPolicy", "Namespace"} & kinds == set()
    pod = things["Deployment", "airwarden", "airwarden-exporter"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "airwarden:v9"
    data = things["ConfigMap", "airwarden", "airwarden-settings"]["data"]["airwarden.yaml"]
    assert yaml.safe_load(data)["remediator"] == {"journal": {"url_file": "journal-url"}}
    pod = things["Deployment", "airwarden", "airwarden-remediator"]["spec"]["template"]["spec"]
    (state,) = (one for one in pod["volumes"] if one["name"] == "state")
    assert state["persistentVolumeClaim"] == {"claimName": "kept"}


#: The least that settings of several replicas have to say.
SHARED = (
    *("--set", "settings.remediator.journal.url_file=journal-url"),
    *("--set", "settings.exporter.lease.url_file=journal-url"),
)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("settings.exporter.lease.url_file=journal-url",), "each of them would act by itself"),
        (
            (
                "settings.remediator.journal.url=sqlite:///journal.db",
                "settings.exporter.lease.url_file=journal-url",
            ),
            "each of them would act by itself",
        ),
        (("settings.remediator.journal.url_file=journal-url",), "would count everything"),
        (("airflowNamespace=data",), "the settings name airflow"),
        (("settings=remediator: [",), "no YAML"),
    ],
)
def test_settings_that_do_harm_with_the_values_are_refused(
    values: Sequence[str], told: str
) -> None:
    chosen = [word for one in values for word in ("--set", one)]
    outcome = run_tool("helm", "template", "airwarden", CHART, *chosen)
    assert outcome.returncode != 0
    assert told in outcome.stderr


def test_one_remediator_and_one_exporter_need_nothing_shared() -> None:
    templated(
        *("--set", "remediator.replicas=1,exporter.replicas=1"),
        *("--set", "settings.remediator.mode=shadow"),
    )


def test_programs_that_serve_https_are_probed_and_scraped_by_it() -> None:
    things = templated(
        *SHARED,
        *("--set", "settings.exporter.tls.cert_file=c.pem"),
        *("--set", "prometheusOperator.enabled=true"),
        *("--set", "prometheusOperator.tlsConfig.serverName=metrics.example"),
    )
    assert [why for thing in things for why in violations(thing)] == []
    found = by_key(things)
    for program, scheme in (("exporter", "HTTPS"), ("remediator", None)):
        name = f"airwarden-{program}"
        pod = found["Deployment", "airwarden", name]["spec"]["template"]["spec"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert pod["containers"][0][probe]["httpGet"].get("scheme") == scheme
        (endpoint,) = found["ServiceMonitor", "airwarden", name]["spec"]["endpoints"]
        assert endpoint.get("scheme") == (scheme.lower() if scheme else None)
        assert endpoint.get("tlsConfig") == ({"serverName": "metrics.example"} if scheme else None)


def test_probes_that_can_show_no_certificate_are_refused() -> None:
    outcome = run_tool(
        *("helm", "template", "airwarden", CHART, *SHARED),
        *("--set", "settings.remediator.tls.client_ca_file=ca.pem"),
    )
    assert outcome.returncode != 0
    assert "remediator.tls.client_ca_file" in outcome.stderr


def test_the_labels_of_the_monitoring_namespace_are_those_that_are_given(tmp_path: Path) -> None:
    mine = tmp_path / "values.yaml"
    mine.write_text("networkPolicy: {monitoringNamespace: {team: observability}}\n")
    found = by_key(templated("--values", str(mine)))
    for program in PROGRAMS:
        policy = found["NetworkPolicy", "airwarden", f"airwarden-{program}"]["spec"]
        wanted = {"namespaceSelector": {"matchLabels": {"team": "observability"}}}
        assert policy["ingress"][0]["from"][0] == wanted


def test_further_peers_may_reach_both_programs() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "data"}}}
    things = templated("--set-json", f"networkPolicy.extraFrom={json.dumps([peer])}")
    assert [why for thing in things for why in violations(thing)] == []
    found = by_key(things)
    for program in PROGRAMS:
        policy = found["NetworkPolicy", "airwarden", f"airwarden-{program}"]["spec"]
        assert peer in policy["ingress"][0]["from"]


def test_settings_of_a_site_are_taken_as_they_are_written(tmp_path: Path) -> None:
    mine = tmp_path / "airwarden.yaml"
    mine.write_text(
        "# mine\nremediator: {journal: {url_file: journal-url}}\nexporter: {lease: {}}\n"
    )
    things = by_key(templated("--set-file", f"settings={mine}"))
    data = things["ConfigMap", "airwarden", "airwarden-settings"]["data"]["airwarden.yaml"]
    assert data.strip() == mine.read_text().strip()


def test_the_chart_is_clean() -> None:
    outcome = run_tool("helm", "lint", "--strict", CHART)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
