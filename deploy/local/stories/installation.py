"""Airwarden beside the platform: its file, its generated rules, and its programs under supervisord."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from localplatform import monitoring
from localplatform.layout import Platform, choose_ports, write_private
from localplatform.progress import Steps
from localplatform.supervisord import ProgramSpec, Supervisor
from stories.configuration import Addresses, render

PROGRAMS = ("airwarden_endpoints", "airwarden_exporter", "airwarden_remediator")
#: Seconds allowed until a program is ready; beside a whole platform that starts, 60 were not enough.
READY_DEADLINE = 180.0


class InstallationError(Exception):
    """Airwarden's programs did not come up; the message says which and where its log is."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An installed Airwarden.

    Attributes:
        folder: Configuration, secrets, journal, generated rules.
        config: Its `airwarden.yaml`.
        exporter_url, remediator_url, endpoints_url: Its programs and the fake endpoints.
    """

    folder: Path
    config: Path
    exporter_url: str
    remediator_url: str
    endpoints_url: str

    @property
    def api_token(self) -> str:
        """The operators' token."""
        return (self.folder / "api.token").read_text().strip()

    @property
    def webhook_token(self) -> str:
        """Alertmanager's token."""
        return (self.folder / "webhook.token").read_text().strip()


def install(platform: Platform, *, steps: Steps, production: bool = False) -> Installation:
    """Write the file, generate and load the rules, start the programs, wait until all is ready.

    Args:
        platform: Beside which.
        steps: Shows how far it is.
        production: At the defaults, only the modes set to auto, instead of a demo's short times.
    """
    folder = platform.state_dir / "airwarden"
    with steps.step("Airwarden's configuration"):
        installed = _write(platform, folder, production=production)
        built = folder / "build"
        run_airwarden("build", "--config", str(installed.config), "--out", str(built))
    with steps.step("Airwarden's programs"):
        # Those of an earlier demo run what was installed then.
        remove(platform)
        # What an earlier demo left open (a scale-up not yet taken back) is not this one's story.
        # Checkpoints of another journal would say, rightly, that this one was cut off.
        for old in (*folder.glob("journal.db*"), *folder.glob("airwarden-audit.checkpoints")):
            old.unlink()
        supervisor = Supervisor(platform)
        for spec in _specs(installed, folder):
            supervisor.add(spec)
        _load(platform, built)
        # A fault of an earlier demo, still in its series, would be found a second time.
        monitoring.forget(platform)
        for url in (
            f"{installed.endpoints_url}/healthz",
            f"{installed.exporter_url}/readyz",
            f"{installed.remediator_url}/readyz",
        ):
            _wait_ready(url, seconds=READY_DEADLINE, log_dir=platform.log_dir)
    return installed


def remove(platform: Platform) -> None:
    """Stop Airwarden's programs and forget them."""
    supervisor = Supervisor(platform)
    for name in reversed(PROGRAMS):
        supervisor.remove(name)


def run_airwarden(*arguments: str) -> str:
    """Run the command line as an operator would, and return what it printed.

    Raises:
        InstallationError: With its words, when it did not exit with 0.
    """
    program = Path(sys.executable).with_name("airwarden")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallationError(f"airwarden {arguments[0]} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def _write(platform: Platform, folder: Path, *, production: bool) -> Installation:
    addresses = _addresses(folder)
    for name, prefix in (("api.token", ""), ("webhook.token", ""), ("slack.token", "xoxb-")):
        if not (folder / name).exists():
            write_private(folder / name, prefix + secrets.token_hex(24) + "\n")
    if not (folder / "pagerduty.key").exists():
        write_private(folder / "pagerduty.key", secrets.token_hex(16) + "\n")
    endpoints = f"http://127.0.0.1:{addresses.endpoints}"
    write_private(folder / "slack.webhook", f"{endpoints}/services/local/slack\n")
    text = render(platform, addresses, folder, production=production)
    write_private(folder / "airwarden.yaml", text)
    return Installation(
        folder=folder,
        config=folder / "airwarden.yaml",
        exporter_url=f"http://127.0.0.1:{addresses.exporter}",
        remediator_url=f"http://127.0.0.1:{addresses.remediator}",
        endpoints_url=endpoints,
    )


def _addresses(folder: Path) -> Addresses:
    """Keep the ports of an earlier installation, so that a second start finds its own programs."""
    kept = folder / "ports"
    if not kept.exists():
        write_private(kept, " ".join(map(str, choose_ports(3, avoid=frozenset()))) + "\n")
    exporter, remediator, endpoints = map(int, kept.read_text().split())
    return Addresses(exporter=exporter, remediator=remediator, endpoints=endpoints)


def _specs(installed: Installation, folder: Path) -> list[ProgramSpec]:
    airwarden = str(Path(sys.executable).with_name("airwarden"))
    config = ["--config", str(installed.config)]
    local = str(Path(__file__).resolve().parents[1])
    port = installed.endpoints_url.rpartition(":")[2]
    endpoints = [sys.executable, "-m", "localplatform.endpoints", "--port", port]
    return [
        ProgramSpec(
            name="airwarden_endpoints",
            command=[*endpoints, "--record", str(folder / "received.jsonl")],
            environment={"PYTHONPATH": local},
            priority=40,
        ),
        ProgramSpec(
            name="airwarden_exporter", command=[airwarden, "exporter", *config], priority=41
        ),
        ProgramSpec(
            name="airwarden_remediator", command=[airwarden, "remediator", *config], priority=42
        ),
    ]


def _load(platform: Platform, built: Path) -> None:
    """Give Prometheus and Alertmanager what `airwarden build` wrote."""
    monitoring.configure(
        platform,
        prometheus=(built / "prometheus" / "prometheus.yml").read_text(),
        alertmanager=(built / "alertmanager" / "alertmanager.yml").read_text(),
        rules=sorted((built / "prometheus" / "rules").glob("*.yml")),
    )


def _wait_ready(url: str, *, seconds: float, log_dir: Path) -> None:
    end = time.monotonic() + seconds
    said = "no answer"
    while time.monotonic() < end:
        try:
            answer = httpx.get(url, timeout=2)
        except httpx.HTTPError as error:
            said = type(error).__name__
        else:
            if answer.is_success:
                return
            said = f"{answer.status_code} {answer.text[:200]}"
        time.sleep(0.2)
    raise InstallationError(f"{url} is not ready after {seconds:.0f} s: {said}; logs: {log_dir}")
