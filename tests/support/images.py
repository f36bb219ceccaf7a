"""The image that `make image-test` built, run as a container would be: without an engine.

Its root is mounted read-only in namespaces of its own (mounts, processes, network), and its program is
started as the image says: its user, environment, entry point. Only root can do that.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.eventually import eventually
from support.repository import ROOT
from support.servers import Child

KEPT = ROOT / ".cache/image"
IMAGE = "localhost/airwarden:test"
STORAGE = (
    "--storage-driver",
    "vfs",
    "--root",
    str(KEPT / "storage"),
    "--runroot",
    str(KEPT / "run"),
)

#: Process 1 of its namespace: the root made read-only, what the container is given mounted, then the program.
_START = """
set -e
root=$1 settings=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0700,uid=65532,gid=65532 tmpfs "$root/var/lib/airwarden"
mount --bind "$settings" "$root/etc/airwarden"
ip link set lo up
exec "$@"
"""


def buildah(*arguments: str) -> str:
    """Run buildah on the kept storage and return what it printed."""
    outcome = subprocess.run(["buildah", *STORAGE, *arguments], capture_output=True, text=True)
    assert outcome.returncode == 0, f"{arguments}: {outcome.stderr} (run: make image-test)"
    return outcome.stdout.strip()


@dataclass(frozen=True)
class Image:
    """An image as its own description says, unpacked below `root`."""

    container: str
    root: Path
    config: Mapping[str, Any]

    @classmethod
    def unpacked(cls) -> Image:
        """Unpack the image that was built."""
        described = json.loads(buildah("inspect", "--type", "image", IMAGE))
        container = buildah("from", "--pull-never", IMAGE)
        root = Path(buildah("mount", container))
        return cls(container, root, described["Docker"]["config"])

    def removed(self) -> None:
        """Take the unpacked copy away; the image stays."""
        buildah("rm", self.container)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that it sets."""
        return dict(entry.split("=", 1) for entry in self.config["Env"])


class Container:
    """The image's program, started with these arguments."""

    def __init__(self, image: Image, settings: Path, log: Path, *arguments: str) -> None:
        variables = [f"{name}={value}" for name, value in image.environment.items()]
        command = [
            *("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"),
            *("sh", "-c", _START, "start", str(image.root), str(settings)),
            *("chroot", f"--userspec={image.config['User']}", str(image.root)),
            *("/usr/bin/env", "-i", f"--chdir={image.config['WorkingDir']}", *variables),
            *image.config["Entrypoint"],
            *arguments,
        ]
        self.image = image
        self.child = Child(command, log)

    def pid(self) -> int:
        """Return its process as the host sees it."""
        self.child.check()
        listed = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        assert listed, "unshare has not forked yet"
        return int(listed[0])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as its user and with its variables."""
        user, group = self.image.config["User"].split(":")
        variables = [f"{name}={value}" for name, value in self.image.environment.items()]
        return subprocess.run(
            [
                *("nsenter", "--target", str(self.pid()), "--mount", "--pid", "--net", "--root"),
                *("--wd", "--setuid", user, "--setgid", group),
                *("/usr/bin/env", "-i", *variables, *command),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def health(self) -> subprocess.CompletedProcess[str]:
        """Run the health check that the image declares."""
        kind, *command = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.run(*command)

    def await_health(self, within: float = 60) -> None:
        """Wait until the health check passes."""

        def healthy() -> bool:
            asked = self.health()
            assert asked.returncode == 0, asked.stdout + asked.stderr
            return True

        eventually(healthy, within=within, every=0.5, what="the health check passes")

    def stop(self) -> None:
        """End it as an engine does: SIGTERM to process 1."""
        subprocess.run(["kill", "-TERM", str(self.pid())], check=True)
        self.child.process.wait(20)


def status_of(container: Container, names: Sequence[str]) -> dict[str, str]:
    """Return these lines of the program's status in /proc."""
    lines = Path(f"/proc/{container.pid()}/status").read_text().splitlines()
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in lines)
        if name in names
    }
