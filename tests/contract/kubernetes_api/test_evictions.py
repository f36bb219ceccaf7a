"""What we rely on of the Kubernetes API: evictions, quotas, Events, Leases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airwarden.core.errors import ConflictError, NotFoundError, RejectedError
from support.eventually import eventually
from support.kubernetes.contract import eventually_at, evict
from support.kubernetes.site import PATIENCE, Site


def test_an_eviction_is_bound_to_one_incarnation(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    (pod,) = at.ready(name, 1)

    with pytest.raises(ConflictError):
        evict(at, pod, "00000000-0000-0000-0000-000000000000")
    assert evict(at, pod)["status"] == "Success"

    (after,) = at.ready(name, 1)
    assert after["metadata"]["uid"] != pod["metadata"]["uid"]

    def gone() -> bool:
        try:
            evict(at, pod)
        except NotFoundError:
            return True
        return False

    eventually(gone, within=PATIENCE)


def test_a_disruption_budget_refuses_an_eviction(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    selector = {"matchLabels": {"app": name}}
    at.create("poddisruptionbudgets", name, spec={"minAvailable": 1, "selector": selector})
    (pod,) = at.ready(name, 1)
    eventually_at(
        at, "poddisruptionbudgets", name, currentHealthy=1, desiredHealthy=1, disruptionsAllowed=0
    )

    with pytest.raises(RejectedError, match="disruption budget"):
        evict(at, pod)
    at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 2}})
    at.ready(name, 2)
    eventually_at(at, "poddisruptionbudgets", name, disruptionsAllowed=1)
    assert evict(at, pod)["status"] == "Success"


def test_a_pending_pod_may_be_evicted_whatever_the_budget(at: Site, name: str) -> None:
    unfit = {"nodeSelector": {"airwarden.test/nowhere": "true"}}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "m", "image": "registry.k8s.io/pause:3.10"}], **unfit},
    }
    at.workload("deployments", name, replicas=1, template=template)
    selector = {"matchLabels": {"app": name}}
    at.create("poddisruptionbudgets", name, spec={"minAvailable": 1, "selector": selector})
    (pod,) = at.pods(name, 1)
    assert pod["status"]["phase"] == "Pending"

    assert evict(at, pod)["status"] == "Success"


def test_a_quota_refuses_pods_and_an_event_tells(at: Site, name: str) -> None:
    used = len(at.items("pods"))
    at.create("resourcequotas", name, spec={"hard": {"pods": str(used)}})
    try:
        eventually_at(at, "resourcequotas", name, hard={"pods": str(used)})
        at.workload("deployments", name, replicas=1)

        def told() -> list[str]:
            found = at.api.list(at.path("events"), fields="reason=FailedCreate").items
            mine = [e for e in found if e["involvedObject"]["name"].startswith(name)]
            return [e["message"] for e in mine if "exceeded quota" in e["message"]]

        assert eventually(told, within=PATIENCE)
        assert at.pods(name) == ()
    finally:
        at.api.delete(at.path("resourcequotas", name))


def test_an_event_is_written_in_the_namespace_of_what_it_tells_of(at: Site, name: str) -> None:
    involved = {"kind": "Deployment", "apiVersion": "apps/v1", "name": name}
    told = {"reason": "AirwardenRestarted", "type": "Normal", "message": "m", "count": 1}
    with pytest.raises(RejectedError):
        at.create("events", name, involvedObject={**involved, "namespace": "other"}, **told)
    at.create("events", name, involvedObject={**involved, "namespace": at.namespace}, **told)
    at.api.patch(at.path("events", name), {"count": 2})

    (event,) = at.api.list(at.path("events"), fields=f"involvedObject.name={name}").items
    assert (event["count"], event["reason"]) == (2, "AirwardenRestarted")


def test_a_leases_times_have_six_digits(at: Site, name: str) -> None:
    good = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with pytest.raises(RejectedError):
        at.create("leases", name, spec={"renewTime": "2026-01-02T03:04:05Z"})
    made = at.create("leases", name, spec={"renewTime": good, "holderIdentity": "a"})
    taken = at.api.replace(
        at.path("leases", name), {**made, "spec": {**made["spec"], "holderIdentity": "b"}}
    )
    with pytest.raises(ConflictError):
        at.api.replace(at.path("leases", name), made)
    assert taken["spec"]["holderIdentity"] == "b"
