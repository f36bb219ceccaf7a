"""The container's health check: asks the program that is process 1 whether it lives.

Only the standard library, because it runs every half minute. `AIRWARDEN_HEALTH_URL` says where to
ask if the settings have the program listen elsewhere than on its usual port.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request
from pathlib import Path

PORTS = {"exporter": 9810, "remediator": 9811}
#: Seconds; less than the health check's own timeout, so that the reason is told.
PATIENCE = 4.0


def url_of(command: list[str]) -> str:
    """Return where the program with this command line answers.

    Raises:
        LookupError: It is none that listens.
    """
    for word in command:
        if word in PORTS:
            return f"http://127.0.0.1:{PORTS[word]}/healthz"
    raise LookupError("process 1 is neither exporter nor remediator")


def main() -> int:
    """Ask, and return 0 if the answer is 200."""
    given = os.environ.get("AIRWARDEN_HEALTH_URL")
    try:
        url = given or url_of(Path("/proc/1/cmdline").read_text().split("\0"))
        # Whether it lives is asked here, not who it is: its certificate names it, not the loopback.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        asked = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with asked.open(url, timeout=PATIENCE) as answer:
            print(answer.status, answer.read(200).decode(errors="replace").strip())
            return 0 if answer.status == 200 else 1
    except (OSError, LookupError, ValueError) as error:
        print(f"unhealthy: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
