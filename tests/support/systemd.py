"""A systemd to test with: units that only sleep, run and ordered through a `systemctl` that is none of ours.

No systemd runs where the tests do. `fake_systemctl.py` takes and refuses what the real one does, and its
supervisor carries jobs out as PID 1 would.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from support.eventually import eventually
from support.servers import Child

_FAKE = Path(__file__).with_name("fake_systemctl.py")
#: Unit → whether it is started at first.
UNITS = {
    "scheduler.service": True,
    "spare.service": False,
    "worker_0.service": True,
    "worker_1.service": True,
}


class Systemd:
    """One supervisor of units of our own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="airwarden-systemd-"))
        for unit in UNITS:
            spec = {"argv": ["/bin/sleep", "3600"], "restart": True}
            (self.folder / f"{unit}.json").write_text(json.dumps(spec))
        self.child = Child(
            [sys.executable, str(_FAKE), "supervise", str(self.folder)],
            self.folder / "supervisor.log",
            {},
        )
        for number, unit in enumerate(name for name, started in UNITS.items() if started):
            (self.folder / f"{number}.job").write_text(json.dumps(["start", unit]))

        def started() -> bool:
            self.child.check()
            return all((self.folder / f"{u}.state").exists() for u, on in UNITS.items() if on)

        eventually(started, within=30, what="the units run")

    @property
    def systemctl(self) -> tuple[str, ...]:
        """The argument vector that stands for `systemctl`."""
        return (sys.executable, "-S", "-E", str(_FAKE), str(self.folder))

    def stop(self) -> None:
        """End the units and the supervisor."""
        (self.folder / "end").write_text("")
        eventually(lambda: self.child.process.poll() is not None, within=20, what="it ends")
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
