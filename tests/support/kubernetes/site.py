"""A namespace of its own in a cluster: of the fake, or of a real one where `KUBECONFIG` is set.

Nothing in it knows which of the two it is: it speaks the API alone. Where no kubelet takes a pod, the
test itself writes the status that a kubelet would write.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.core.errors import NotFoundError
from support.eventually import eventually
from support.kubernetes import kubelet
from support.kubernetes.resources import BY_PLURAL, Json
from support.kubernetes.server import FakeCluster
from support.kubernetes.store import now

#: A real cluster's controllers take their time; an autoscaler looks every 15 s.
PATIENCE = 60.0


@dataclass(frozen=True)
class Site:
    """One namespace.

    Attributes:
        api: As somebody who may do everything.
        kubeconfig: Theirs.
        folder: For further kubeconfigs.
        fake: The fake cluster, for who breaks it; None on a real one.
    """

    api: KubernetesApi
    kubeconfig: Path
    namespace: str
    folder: Path
    fake: FakeCluster | None = None

    def path(self, plural: str, name: str = "", part: str = "") -> str:
        """Return where a kind, an object or a part of it is in this namespace."""
        one = BY_PLURAL[plural]
        root = f"/apis/{one.api_version}" if one.group else "/api/v1"
        steps = (root, "namespaces", self.namespace, plural, name, part)
        return "/".join(step for step in steps if step)

    def create(self, plural: str, name: str, **content: Any) -> Json:
        """Create an object; `labels` and `annotations` go into its metadata."""
        meta: Json = {"name": name}
        for key in ("labels", "annotations", "finalizers"):
            if key in content:
                meta[key] = content.pop(key)
        one = BY_PLURAL[plural]
        kind = {"apiVersion": one.api_version, "kind": one.kind}
        return self.api.create(self.path(plural), {**kind, "metadata": meta, **content})

    def get(self, plural: str, name: str) -> Json:
        """Return an object."""
        return self.api.get(self.path(plural, name))

    def items(self, plural: str, labels: str = "") -> tuple[Json, ...]:
        """Return the objects of a kind."""
        return self.api.list(self.path(plural), labels=labels).items

    def workload(
        self,
        plural: str,
        name: str,
        replicas: int = 1,
        labels: Json | None = None,
        container: str = "main",
        **spec: Any,
    ) -> Json:
        """Create a Deployment or StatefulSet of pods that do nothing."""
        marks = {"app": name, **(labels or {})}
        main = {"name": container, "image": "registry.k8s.io/pause:3.10"}
        content = {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": marks},
                "spec": {"containers": [main], "terminationGracePeriodSeconds": 1},
            },
            **({"serviceName": name} if plural == "statefulsets" else {}),
            **spec,
        }
        return self.create(plural, name, labels=marks, spec=content)

    def pods(self, app: str, count: int | None = None) -> tuple[Json, ...]:
        """Return the living pods of a workload; with a count, wait until there are so many."""

        def look() -> tuple[Json, ...]:
            found = self.items("pods", f"app={app}")
            return tuple(p for p in found if not p["metadata"].get("deletionTimestamp"))

        if count is None:
            return look()

        def exactly() -> tuple[tuple[Json, ...]]:
            found = look()
            assert len(found) == count, [one["metadata"]["name"] for one in found]
            return (found,)

        return eventually(exactly, within=PATIENCE, what=f"{count} pods of {app}")[0]

    def ready(self, app: str, count: int) -> tuple[Json, ...]:
        """Wait for so many living pods that are all ready, helping where no kubelet does."""

        def look() -> bool:
            self.help_ready(app)
            found = self.pods(app)
            return len(found) == count and all(map(kubelet.is_ready, found))

        eventually(look, within=PATIENCE, what=f"{count} ready pods of {app}")
        return self.pods(app)

    def help_ready(self, app: str) -> None:
        """Let the pods that are not ready become so, unless a kubelet sees to them."""
        for pod in self.pods(app):
            if not kubelet.is_ready(pod) and not pod["spec"].get("nodeName"):
                self.tell(pod, kubelet.running(pod, now()))

    def tell(self, pod: Json, status: Json) -> None:
        """Write a pod's status, as its kubelet would; nothing if it went meanwhile."""
        path = self.path("pods", pod["metadata"]["name"], "status")
        with suppress(NotFoundError):
            self.api.patch(path, {"status": status})

    def chart(self, component: str, replicas: int = 1, *, stable: bool = False, **spec: Any) -> str:
        """Create a component as the official Airflow chart does; return its name."""
        name = f"airflow-{component}"
        labels = {"tier": "airflow", "component": component, "release": "airflow"}
        plural = "statefulsets" if stable else "deployments"
        self.workload(plural, name, replicas, labels, component, **spec)
        return name

    def account(self, name: str, rules: Sequence[Json]) -> KubernetesApi:
        """Return the API as a ServiceAccount with a Role of these rules sees it."""
        return KubernetesApi(self.account_file(name, rules))

    def account_file(self, name: str, rules: Sequence[Json]) -> Path:
        """Make a ServiceAccount with a Role of these rules; return a kubeconfig for it."""
        self.create("serviceaccounts", name)
        self.create("roles", name, rules=list(rules))
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        self.create(
            "rolebindings", name, subjects=[subject],
            roleRef={"apiGroup": group, "kind": "Role", "name": name},
        )  # fmt: skip
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        told = self.api.create(self.path("serviceaccounts", name, "token"), asked)
        return self.kubeconfig_of(told["status"]["token"])

    def kubeconfig_of(self, token: str) -> Path:
        """Write a kubeconfig for a token in this namespace."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        current = config["current-context"]
        context = next(c["context"] for c in config["contexts"] if c["name"] == current)
        context.update(user="them", namespace=self.namespace)
        config["users"] = [{"name": "them", "user": {"token": token}}]
        path = self.folder / f"{secrets.token_hex(4)}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


@contextmanager
def site(folder: Path, *, kubelet: bool = False) -> Iterator[Site]:
    """Give a namespace, and take it away again with all that is in it."""
    given = os.environ.get("KUBECONFIG", "")
    fake = None if given else FakeCluster(folder, kubelet=kubelet)
    kubeconfig = fake.kubeconfig() if fake else Path(given)
    api, name = KubernetesApi(kubeconfig), f"airwarden-contract-{secrets.token_hex(4)}"
    try:
        meta = {"name": name, "labels": {"airwarden": "contract"}}
        api.create("/api/v1/namespaces", {"metadata": meta})
        yield Site(api, kubeconfig, name, folder, fake)
        api.delete(f"/api/v1/namespaces/{name}")

        def gone() -> bool:
            try:
                api.get(f"/api/v1/namespaces/{name}")
            except NotFoundError:
                return True
            return False

        eventually(gone, within=120, what=f"namespace {name} is gone")
    finally:
        if fake is not None:
            fake.stop()
