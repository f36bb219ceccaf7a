"""A real supervisord with programs that only sleep."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from airwarden.adapters.procfs import descendants, is_alive
from support.eventually import eventually
from support.servers import Child, answers, free_port

#: Programs by their behaviour: command, and `autorestart`. `polite` is left down after a clean exit.
PROGRAMS = {
    "scheduler": ("sleep 3600", "true"),
    "stubborn": ("""sh -c "trap '' TERM; while :; do sleep 1; done" """, "true"),
    "polite": (
        """sh -c "trap 'exit 0' TERM; while :; do sleep 0.2; done" """,
        "unexpected",
    ),
    "parent": ("""sh -c "setsid sleep 3600 & wait" """, "true"),
    "spare": ("sleep 3600", "true"),
    "broken": ("/nonexistent", "false"),
}
USER, PASSWORD = "supervisor", "supervised"


class Supervisord:
    """One supervisord of our own; `spare` is not started."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-supervisord-"))
        self.socket = self._folder / "supervisor.sock"
        config = self._folder / "supervisord.conf"
        config.write_text(self._config())
        program = Path(sys.executable).parent / "supervisord"
        self.child = Child(
            [str(program), "-n", "-c", str(config)],
            self._folder / "out.log",
            {"PYTHONWARNINGS": "ignore"},
        )

        def ready() -> bool:
            self.child.check()
            return answers(self.port) and self.socket.exists()

        eventually(ready, within=20, what="supervisord answers")

    @property
    def url(self) -> str:
        """Its XML-RPC address."""
        return f"http://127.0.0.1:{self.port}/RPC2"

    def _config(self) -> str:
        login = f"username={USER}\npassword={PASSWORD}\n"
        parts = [
            f"[supervisord]\nlogfile={self._folder}/main.log\npidfile={self._folder}/pid\n"
            f"childlogdir={self._folder}\n" + ("user=root\n" if os.geteuid() == 0 else ""),
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
            f"[inet_http_server]\nport=127.0.0.1:{self.port}\n{login}",
            f"[unix_http_server]\nfile={self.socket}\n{login}",
            "[group:workers]\nprograms=worker_0,worker_1\n",
        ]
        programs = {
            **PROGRAMS,
            "worker_0": ("sleep 3600", "true"),
            "worker_1": ("sleep 3600", "true"),
        }
        for name, (command, again) in programs.items():
            start = "false" if name in ("spare", "broken") else "true"
            parts.append(
                f"[program:{name}]\ncommand={command}\nautostart={start}\nautorestart={again}\n"
                "startsecs=0\nstopwaitsecs=2\nstartretries=0\nkillasgroup=true\nstopasgroup=true\n"
            )
        return "\n".join(parts)

    def stop(self) -> None:
        """End it and its children, those in a session of their own too, and remove its folder."""
        children = descendants(self.child.pid)
        self.child.stop(within=15)
        for child in children:
            if is_alive(child):
                os.kill(child.pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
