"""The workstation's Compose file: valid, its mounts there, its services what the settings name, nothing published."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest
import yaml

from airwarden.core.settings import Settings, parse
from support.manifests import CRDS
from support.repository import ROOT, project

COMPOSE = ROOT / "deploy/compose"
OURS = ("exporter", "remediator")


@pytest.fixture(scope="module")
def compose() -> Mapping[str, Any]:
    """Return the file with variables as they are when nothing is set, and extension fields left out."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (COMPOSE / "compose.yaml").read_text())
    document = yaml.safe_load(text)
    return {key: value for key, value in document.items() if not key.startswith("x-")}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return parse((COMPOSE / "airwarden.yaml").read_text(), source="airwarden.yaml", environ={})


def mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield source and target of each mount."""
    for volume in service.get("volumes", ()):
        source, target = str(volume).split(":")[:2]
        yield source, target


def test_it_is_a_compose_file_and_no_key_is_unknown(compose: Mapping[str, Any]) -> None:
    schema = json.loads((CRDS / "compose-spec.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []
    assert not validator.is_valid({"services": {"exporter": {"comand": ["exporter"]}}})


def test_every_mount_is_a_file_of_ours_or_a_named_volume(compose: Mapping[str, Any]) -> None:
    used = set()
    for name, service in compose["services"].items():
        for source, _ in mounts(service):
            if source.startswith("."):
                assert (COMPOSE / source).exists(), f"{name}: {source}"
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_only_loopback_is_published(compose: Mapping[str, Any]) -> None:
    published = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert published
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []


def test_our_programs_are_confined(compose: Mapping[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service  # the image's own, which is nobody
        assert service["command"] == [name]
        assert service["image"] == f"airwarden:{project()['project']['version']}"
    writers = {
        name
        for name, service in compose["services"].items()
        for volume in service.get("volumes", ())
        if str(volume).startswith(("secrets:", "generated:")) and not str(volume).endswith(":ro")
    }
    assert writers == {"prepare"}
    assert compose["services"]["prepare"]["network_mode"] == "none"


def test_airflow_can_write_its_file_of_passwords(compose: Mapping[str, Any]) -> None:
    """The sign-in opens it for appending at each start, whether it adds anyone or not."""
    server = compose["services"]["airflow-api-server"]
    file = server["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    assert not any(file.startswith(target) for _, target in mounts(server))
    made = "/run/airwarden/airflow-passwords.json"
    assert f"cp {made} {file.rpartition('/')[0]}/ &&" in " ".join(server["command"])


def test_every_image_has_a_version(compose: Mapping[str, Any]) -> None:
    for name, service in compose["services"].items():
        _, _, tag = service["image"].partition(":")
        assert re.fullmatch(r"v?\d+(\.\d+)*", tag), f"{name}: {service['image']}"


def test_what_is_waited_for_is_there_and_ends_or_says_that_it_is_healthy(
    compose: Mapping[str, Any],
) -> None:
    services = compose["services"]
    for service in services.values():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert services[other].get("restart", "no") == "no"


def test_the_settings_name_services_of_the_file(
    settings: Settings, compose: Mapping[str, Any]
) -> None:
    cluster = settings.clusters[0]
    assert cluster.broker is not None
    assert cluster.broker.url is not None
    named = [
        cluster.airflow.url,
        settings.exporter.url,
        settings.remediator.url,
        settings.prometheus.url,
        settings.alertmanager.url,
    ]
    for url in named:
        assert url is not None
        assert urlsplit(url).hostname in compose["services"], url


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run prepare.sh as the service does, in a folder instead of its volumes."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "secrets").mkdir()
    prepare(folder, ROOT / ".venv/bin")
    return folder


def prepare(folder: Path, programs: Path) -> None:
    """Run the script with the `airwarden` of this folder."""
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SECRETS": str(folder / "secrets"),
        "GENERATED": str(folder / "generated"),
        "AIRWARDEN_CONFIG": str(COMPOSE / "airwarden.yaml"),
    }
    done = subprocess.run(
        ["sh", COMPOSE / "prepare.sh"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_secret_and_configuration_that_is_named_is_made(
    prepared: Path, compose: Mapping[str, Any]
) -> None:
    texts = (COMPOSE / "compose.yaml").read_text() + (COMPOSE / "airwarden.yaml").read_text()
    named = set(re.findall(r"/run/airwarden/([\w.-]+)", texts))
    made = {path.name for path in (prepared / "secrets").iterdir()}
    assert named <= made
    assert all((prepared / "secrets" / name).stat().st_size for name in made)
    for service in ("prometheus", "alertmanager"):
        (file,) = re.findall(
            r"--config.file=/(\S+)", " ".join(compose["services"][service]["command"])
        )
        assert (prepared / file).is_file()
    grafana = compose["services"]["grafana"]["environment"]
    home = grafana["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (prepared / home.lstrip("/")).is_file()
    provisioning = prepared / grafana["GF_PATHS_PROVISIONING"].lstrip("/")
    provider = yaml.safe_load((provisioning / "dashboards/airwarden.yaml").read_text())
    assert (prepared / provider["providers"][0]["options"]["path"].lstrip("/")).is_dir()


def test_secrets_once_made_stay(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "airwarden").symlink_to("/bin/true")
    before = {path.name: path.read_text() for path in (prepared / "secrets").iterdir()}
    prepare(prepared, tmp_path)
    assert {path.name: path.read_text() for path in (prepared / "secrets").iterdir()} == before
    passwords = json.loads(before["airflow-passwords.json"])
    assert passwords["airwarden"] == before["airflow-password"]
