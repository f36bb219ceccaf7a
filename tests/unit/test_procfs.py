"""What /proc says of a process that is stopped, and of one that is only being traced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airwarden.adapters.procfs import is_frozen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and ptrace")

_STOP = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
#: PTRACE_TRACEME: from now on every signal holds the process for its parent to look at it.
_TRACED = f"import ctypes; assert ctypes.CDLL(None).ptrace(0, 0, None, None) == 0; {_STOP}"


@contextmanager
def stopped(code: str) -> Iterator[int]:
    """Run the code in a child and give its pid as soon as it has stopped."""
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        try:
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            yield child.pid
        finally:
            os.kill(child.pid, signal.SIGKILL)


def test_a_process_stopped_by_a_signal_is_frozen() -> None:
    with stopped(_STOP) as pid:
        assert is_frozen(pid)


def test_a_traced_process_is_not_frozen() -> None:
    with stopped(_TRACED) as pid:
        assert not is_frozen(pid)
