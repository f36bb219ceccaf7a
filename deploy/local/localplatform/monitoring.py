"""Prometheus and Alertmanager under the same supervisord.

They read ``platform.monitoring.prometheus_config`` (and the ``rules`` folder beside it) and
``…alertmanager_config``. At first start minimal ones are written; whoever has better ones
passes them to :func:`configure`, which replaces the files and reloads.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from localplatform.errors import PlatformError
from localplatform.layout import Platform, write_private
from localplatform.supervisord import ProgramSpec, Supervisor
from localplatform.waiting import wait_until

PROGRAMS = ("prometheus", "alertmanager")

MINIMAL_PROMETHEUS = """\
global: {{scrape_interval: 5s, evaluation_interval: 5s}}
rule_files: [rules/*.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["{alertmanager}"]}}]
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{prometheus}"]}}]
"""
MINIMAL_ALERTMANAGER = """\
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


def programs(platform: Platform) -> list[ProgramSpec]:
    """Return both as supervised programs, not started with the daemon.

    Raises :class:`PlatformError` naming the Debian package when one is missing.
    """
    access = platform.monitoring
    return [
        ProgramSpec(
            name="prometheus",
            command=[
                _program("prometheus", "prometheus"),
                f"--config.file={access.prometheus_config}",
                f"--storage.tsdb.path={platform.state_dir / 'prometheus' / 'data'}",
                "--storage.tsdb.retention.time=2d",
                f"--web.listen-address={urlsplit(access.prometheus_url).netloc}",
                "--web.enable-lifecycle",
                "--web.enable-admin-api",
                "--log.level=warn",
            ],
            priority=30,
        ),
        ProgramSpec(
            name="alertmanager",
            command=[
                _program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={access.alertmanager_config}",
                f"--storage.path={platform.state_dir / 'alertmanager' / 'data'}",
                f"--web.listen-address={urlsplit(access.alertmanager_url).netloc}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            priority=30,
        ),
    ]


def write_minimal(platform: Platform) -> None:
    """Write configuration files where there are none."""
    access = platform.monitoring
    access.prometheus_rules_dir.mkdir(parents=True, exist_ok=True)
    if not access.prometheus_config.exists():
        text = MINIMAL_PROMETHEUS.format(
            prometheus=urlsplit(access.prometheus_url).netloc,
            alertmanager=urlsplit(access.alertmanager_url).netloc,
        )
        write_private(access.prometheus_config, text)
    if not access.alertmanager_config.exists():
        write_private(access.alertmanager_config, MINIMAL_ALERTMANAGER)


def configure(
    platform: Platform,
    *,
    prometheus: str | None = None,
    alertmanager: str | None = None,
    rules: Mapping[str, str] | Iterable[Path] = (),
) -> None:
    """Replace the configuration (texts) and the rule files, then reload what runs.

    ``rules`` are texts by file name, or files to copy; they replace all that were there.
    Raises :class:`PlatformError` with the server's words when it refuses them.
    """
    access = platform.monitoring
    texts = rules if isinstance(rules, Mapping) else {path.name: path.read_text() for path in rules}
    for old in access.prometheus_rules_dir.glob("*.yml"):
        old.unlink()
    for name, text in texts.items():
        write_private(access.prometheus_rules_dir / name, text)
    if prometheus is not None:
        write_private(access.prometheus_config, prometheus)
    if alertmanager is not None:
        write_private(access.alertmanager_config, alertmanager)
    reload(platform)


def forget(platform: Platform) -> None:
    """Start both again without their data: no series, no alert and no sent notice is left.

    Deleting series through the API is not enough: rules go on being evaluated until it is done, and
    Alertmanager keeps for minutes what they fired.
    """
    supervisor = Supervisor(platform)
    for name in PROGRAMS:
        supervisor.stop(name)
        shutil.rmtree(platform.state_dir / name / "data", ignore_errors=True)
    for name in PROGRAMS:
        supervisor.start(name)
    wait_ready(platform, seconds=60)


def reload(platform: Platform) -> None:
    """Make both read their files again; one that does not run is passed over.

    Raises :class:`PlatformError` with the server's words when it refuses its files.
    """
    for url in (platform.monitoring.prometheus_url, platform.monitoring.alertmanager_url):
        try:
            answer = httpx.post(f"{url}/-/reload", timeout=15)
        except httpx.ConnectError:
            continue
        if answer.status_code != httpx.codes.OK:
            raise PlatformError(f"{url} refused its configuration: {answer.text.strip()}")


def wait_ready(platform: Platform, *, seconds: float) -> None:
    """Wait until both say that they are ready."""
    for url in (platform.monitoring.prometheus_url, platform.monitoring.alertmanager_url):

        def ready(url: str = url) -> bool:
            try:
                return httpx.get(f"{url}/-/ready", timeout=2).status_code == httpx.codes.OK
            except httpx.TransportError as error:
                raise ConnectionError(str(error)) from None

        wait_until(ready, seconds=seconds, what=f"{url} is ready", every=0.1)


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise PlatformError(
        f"{names[0]} is missing: apt-get install --no-install-recommends {names[0]}"
    )
