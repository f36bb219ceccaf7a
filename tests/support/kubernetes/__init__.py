"""A small Kubernetes API server, for the contract suite and for whoever needs a cluster in a test.

It answers over TLS on loopback as a real one does (`tests/contract/kubernetes_api/` holds it
against that, and the same suite runs on a real cluster when `KUBECONFIG` is set). What it has not: no
scheduler, no kubelet but `Cluster.kubelet`, no admission but quotas, no API but what is in `resources`.
"""

from support.kubernetes.faults import Fault
from support.kubernetes.server import ADMIN_TOKEN, FakeCluster

__all__ = ["ADMIN_TOKEN", "FakeCluster", "Fault"]
