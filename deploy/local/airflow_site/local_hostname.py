"""The host name that each Airflow process of the local platform reports.

Every process of a real site runs on a host or in a pod of its own; here they share one
machine, so each is given a name of its own in its environment. ``[core] hostname_callable``
points here, and the name is what Airflow's ``job.hostname`` and ``task_instance.hostname`` hold.
"""

from __future__ import annotations

import os
import socket


def reported() -> str:
    """Return the name given to this process, or the machine's for a command typed by hand."""
    return os.environ.get("AIRWARDEN_LOCAL_HOSTNAME") or socket.gethostname()
