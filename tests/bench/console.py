"""How soon the console's pages answer with ten thousand incidents behind them, over HTTP.

Run as `python tests/bench/console.py [sqlite|postgresql]`. `airwarden remediator` is a process of its own, on a
journal filled before it starts. Each page is asked for as a browser does after signing in, one after the other and by
four people at once; the page of a DAG last, once a real Airflow API server has come up. Exits with 1 if the median of a page is 100 ms or more, or the
first page with all that it loads weighs over 100 kB. Writes its part of docs/reference/benchmarks.md.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airwarden.adapters.clock import SystemClock
from airwarden.remediation.journal.store import open_journal
from bench.fleet.page import CONSOLE_HEADING, write_section
from support.airflow_api import DAG_ID, PASSWORD, USER, AirflowApi
from support.console_history import fill
from support.journals import up_to_date
from support.platform_bench import PlatformBench
from support.postgres import PostgresServer
from support.programs import airwarden, answers, free_port

INCIDENTS = 10_000
#: Seconds and bytes that a page may take.
MOST, WEIGHT = 0.1, 100_000
#: How often each is asked for.
_TIMES = 30
_TOKEN = "bench-" + "b" * 24
PAGES = (
    "/", "/incidents", "/incidents?state=open", "/incidents?state=ended&before=5000",
    "/incidents?playbook=scheduler-restart", "/incidents/5000", "/playbooks",
    "/playbooks/scheduler-restart", "/rails", "/audit", "/audit?before=30000", "/audit?people=yes",
    "/audit?about=incident/7000", "/dags", "/configuration",
)  # fmt: skip
#: The one page that waits for another system: what it has read counts as new for this long.
_LIVE, _FRESH = f"/dags/lab/{DAG_ID}", 10.5


@dataclass(frozen=True)
class Took:
    """Seconds of one page: alone, with four at once, and of the remediator's processor for one of them.

    The last holds whatever else runs on the machine; what the remediator does besides is in it.
    """

    path: str
    alone: Sequence[float]
    together: Sequence[float]
    processor: float

    @property
    def median(self) -> float:
        """Alone."""
        return statistics.median(self.alone)


def main(kind: str) -> int:
    """Measure, print, and write the section."""
    with tempfile.TemporaryDirectory(prefix="airwarden-console-") as name:
        folder = Path(name)
        server = PostgresServer()
        try:
            url = f"sqlite:///{folder / 'journal.db'}"
            if kind == "postgresql":
                url = server.fresh().sqlalchemy_url
            _say(f"a journal of {INCIDENTS:,} incidents")
            _fill(url)
            _say("the remediator")
            port = free_port()
            with _remediator(folder, url, f"http://127.0.0.1:{port}") as (http, process):
                found = [_measure(http, process, path) for path in PAGES]
                weight = _weight(http)
                _say("Airflow's API server")
                airflow = AirflowApi(server, port=port)
                try:
                    found.append(_measure(http, process, _LIVE))
                    live = _read_live(http)
                finally:
                    airflow.stop()
        finally:
            server.stop()
    text = section(kind, found, live, weight)
    sys.stdout.write(text)
    write_section(CONSOLE_HEADING, text)
    return 1 if weight > WEIGHT or any(one.median >= MOST for one in found) else 0


def _say(what: str) -> None:
    """Tell whoever waits what is done now."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    sys.stdout.flush()


def _fill(url: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = PlatformBench(Path(name))
        books = [one.playbook for one in bench.playbooks.by_name.values() if one.playbook.steps]
        bench.close()
    journal = open_journal(up_to_date(url), SystemClock())
    fill(journal, books, INCIDENTS, every=timedelta(minutes=13))
    journal.close()


@contextmanager
def _remediator(
    folder: Path, url: str, airflow: str
) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Yield somebody who has signed in to a running remediator, and its process."""
    port = free_port()
    secrets = {"api": "a" * 32, "webhook": "w" * 32, "ada": _TOKEN, "airflow": PASSWORD}
    for name, value in {**secrets, "journal": url}.items():
        (folder / name).write_text(value + "\n", encoding="utf-8")
        (folder / name).chmod(0o600)
    (folder / "airwarden.yaml").write_text(
        f"""\
clusters:
  - name: lab
    airflow: {{url: "{airflow}", auth: {{username: {USER}, password_file: airflow}}}}
remediator:
  listen: "127.0.0.1:{port}"
  journal: {{url_file: journal}}
  webhook_token_file: webhook
  api_token_file: api
  operators: {{ada: {{role: admin, token_file: ada}}}}
""",
        encoding="utf-8",
    )
    base = f"http://127.0.0.1:{port}"
    with airwarden("remediator", folder=folder) as program:
        try:
            answers(f"{base}/healthz", within=60)
            with httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
                form = {"name": "ada", "password": _TOKEN}
                answer = http.post("/console/sign-in", data=form, headers={"Origin": base})
                assert answer.status_code == 303, answer.text
                yield http, psutil.Process(program.process.pid)
        except Exception:
            sys.stderr.write(program.output()[-3000:])
            raise


def _seconds(http: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = http.get(f"/console{path}")
    took = time.perf_counter() - began
    assert answer.status_code == 200, (path, answer.status_code)
    return took


def _measure(http: httpx.Client, process: psutil.Process, path: str) -> Took:
    for _ in range(3):
        _seconds(http, path)
    _say(path)
    before = process.cpu_times()
    alone = [_seconds(http, path) for _ in range(_TIMES)]
    after = process.cpu_times()
    processor = (after.user + after.system - before.user - before.system) / _TIMES
    with ThreadPoolExecutor(4) as people:
        together = list(people.map(lambda _: _seconds(http, path), range(_TIMES)))
    return Took(path, alone, together, processor)


def _read_live(http: httpx.Client) -> list[float]:
    """Return the seconds of the page that reads Airflow anew each time."""
    found = []
    for _ in range(5):
        time.sleep(_FRESH)
        found.append(_seconds(http, _LIVE))
    return found


def _weight(http: httpx.Client) -> int:
    """Return the bytes of the first page with all that it loads, as they are sent."""
    page = http.get("/console/").text
    loaded = set(re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page))
    return len(page.encode()) + sum(len(http.get(one).content) for one in loaded)


def section(kind: str, found: Sequence[Took], live: Sequence[float], weight: int) -> str:
    """Return the section of the page."""
    lines = [
        CONSOLE_HEADING,
        "",
        f"`python tests/bench/console.py {kind}`: `airwarden remediator` on a journal of {INCIDENTS:,} incidents "
        f"({'PostgreSQL' if kind == 'postgresql' else 'SQLite'}), each page {_TIMES} times over HTTP by one who has "
        f"signed in, then as often by four at once. The first page with all that it loads: {weight / 1000:.0f} kB, "
        f"uncompressed. Load average at the end {os.getloadavg()[0]:.1f}.",
        "",
        "| page | median ms | most ms | four at once: median ms | most ms | of a processor ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{one.path}` | {one.median * 1000:.0f} | {max(one.alone) * 1000:.0f} | "
        f"{statistics.median(one.together) * 1000:.0f} | {max(one.together) * 1000:.0f} | "
        f"{one.processor * 1000:.0f} |"
        for one in found
    ]
    lines += [
        "",
        f"A DAG whose last reading is older than ten seconds is read anew from Airflow: median "
        f"{statistics.median(live) * 1000:.0f} ms, most {max(live) * 1000:.0f} ms, of which three requests to Airflow's API "
        "are what is waited for.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite"))
