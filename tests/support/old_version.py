"""An earlier Airwarden, built from its commit and installed in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from support.repository import ROOT


def install(commit: str, folder: Path) -> Path:
    """Build the commit's wheel, install it under `folder`, and return its Python.

    Its dependencies are those of this environment, which is the current lock: a rolling upgrade
    changes Airwarden, and the packages beneath it may well be the new ones already.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    done = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.fail(f"the history lacks commit {commit}: {done.stderr.decode()}")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(source, filter="data")
    _run("build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source))
    wheel = next(folder.glob("airwarden-*.whl"))
    venv = folder / "venv"
    _run("venv", "--without-pip", str(venv))
    python = venv / "bin" / "python"
    packages = next(venv.glob("lib/python*/site-packages"))
    # Paths in it are searched, but its own .pth files are not read: this Airwarden is not among them.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _run("pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q", str(wheel))
    return python


def _run(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise AssertionError(f"{module} failed: {done.stdout[-1500:]}{done.stderr[-1500:]}")
