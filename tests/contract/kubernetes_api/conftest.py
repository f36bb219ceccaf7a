"""What we rely on of the Kubernetes API, on the fake; and, unchanged, on a real cluster.

    KUBECONFIG=~/.kube/config pytest tests/contract/kubernetes_api

makes a namespace of its own there for each file, leaves nothing behind, and needs no kubelet: the suite
writes the pods' statuses itself where nobody else does. What each test is called is the behaviour, and the
run's end lists them.
"""

from __future__ import annotations

from support.kubernetes.contract import behaviour, name
from support.kubernetes.contract import shared_at as at

__all__ = ["at", "behaviour", "name"]
