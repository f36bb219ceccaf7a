"""Kubernetes manifests as the tools render them, and what is asked of each object."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from support.repository import ROOT

TOOLS = ROOT / ".cache/kubernetes"
KUBERNETES = ROOT / "deploy/kubernetes"
CHART = KUBERNETES / "chart"
CRDS = ROOT / "tests/data/crd-schemas"
_BASE = "json-schema:///"

Manifest = dict[str, Any]
Key = tuple[str, str, str]


def run_tool(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm or kubectl as `bootstrap.sh platform` brought them; neither asks any cluster."""
    path = TOOLS / "bin" / program
    assert path.is_file(), "run: sh deploy/local/bootstrap.sh platform"
    environment = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
    return subprocess.run(
        [path, *arguments], capture_output=True, text=True, env=environment, timeout=60
    )


def documents(text: str) -> list[Manifest]:
    """Return the objects of a YAML stream."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def kustomized(folder: Path) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of a folder."""
    outcome = run_tool("kubectl", "kustomize", folder)
    assert outcome.returncode == 0, outcome.stderr
    return documents(outcome.stdout)


def templated(*arguments: str) -> list[Manifest]:
    """Return what the chart makes of these further arguments."""
    outcome = run_tool(
        "helm", "template", "airwarden", CHART, "--namespace", "airwarden", *arguments
    )
    assert outcome.returncode == 0, outcome.stderr
    return documents(outcome.stdout)


def key_of(thing: Manifest) -> Key:
    """Return kind, namespace and name; without the hash that kustomize puts behind a name."""
    meta = thing["metadata"]
    name = meta["name"]
    if thing["kind"] == "ConfigMap":
        name = re.sub(r"^(airwarden-settings)-[a-z0-9]{10}$", r"\1", name)
    return thing["kind"], meta.get("namespace", ""), name


def by_key(things: Sequence[Manifest]) -> dict[Key, Manifest]:
    """Return the objects by what they are; none may be there twice."""
    found = {key_of(thing): thing for thing in things}
    assert len(found) == len(things), "an object is there twice"
    return found


@functools.cache
def _definitions() -> jsonschema_rs.Registry:
    text = (TOOLS / "schemas/_definitions.json").read_text()
    return jsonschema_rs.Registry([(f"{_BASE}_definitions.json", json.loads(text))])


@functools.cache
def _validator(api_version: str, kind: str) -> Any:
    group, _, version = api_version.rpartition("/")
    foreign = CRDS / f"{group}_{version}_{kind}.json"
    if foreign.exists():
        return jsonschema_rs.validator_for(json.loads(foreign.read_text()))
    short = f"{group.partition('.')[0]}-{version}" if group else version
    schema = TOOLS / f"schemas/{kind.lower()}-{short}.json"
    assert schema.exists(), f"Kubernetes has no {api_version} {kind}"
    return jsonschema_rs.validator_for(
        json.loads(schema.read_text()), registry=_definitions(), base_uri=f"{_BASE}{schema.name}"
    )


def violations(thing: Manifest) -> list[str]:
    """Return what its schema refuses, unknown fields included."""
    validator = _validator(thing["apiVersion"], thing["kind"])
    name = "/".join(filter(None, key_of(thing)))
    return [
        f"{name}: {'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(thing)
    ]


def pod_specs(things: Sequence[Manifest]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and pod template's spec of each workload."""
    for thing in things:
        if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield thing["metadata"]["name"], thing["spec"]["template"]["spec"]


def refused(things: Sequence[Manifest]) -> list[str]:
    """Return what a careful administrator would refuse of these objects."""
    found = [f"{name}: {why}" for name, spec in pod_specs(things) for why in _of_pod(spec)]
    for thing in things:
        if thing["kind"] in ("Role", "ClusterRole"):
            found += [f"{thing['metadata']['name']}: {why}" for why in _of_role(thing)]
    return found


def _of_role(role: Manifest) -> Iterator[str]:
    if role["kind"] == "ClusterRole":
        yield "is of the whole cluster"
    for rule in role["rules"]:
        for part in ("verbs", "resources", "apiGroups"):
            if "*" in rule[part]:
                yield f"any of {part}"
        if {"secrets", "pods/exec"} & set(rule["resources"]):
            yield "secrets, or programs in pods"
        if {"delete", "deletecollection", "escalate", "bind", "impersonate"} & set(rule["verbs"]):
            yield "deletes, or raises itself"


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is the host's"
    if not spec.get("topologySpreadConstraints"):
        yield "may all run on one node"
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        for why in _of_container(container):
            yield f"{container['name']}: {why}"


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if not context.get("readOnlyRootFilesystem"):
        yield "writes its root"
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "gains privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    resources = container.get("resources", {})
    for side in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if what not in resources.get(side, {}):
                yield f"no {side} of {what}"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe not in container:
            yield f"no {probe}"
    if container["image"].endswith(":latest") or ":" not in container["image"]:
        yield "an image without a version"
