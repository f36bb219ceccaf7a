"""What is written down about a platform: found again, private, and free of secrets."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from localplatform import airflow, postgres, supervisord
from localplatform.describe import describe
from localplatform.errors import PlatformError
from localplatform.layout import LOOPBACK, Platform, description_path


def test_a_second_start_finds_the_same_ports_and_limits(tmp_path: Path) -> None:
    first = describe(tmp_path, max_connections=60)
    second = describe(tmp_path, max_connections=None)
    assert second == first
    assert Platform.load(tmp_path) == first
    assert second.postgres.max_connections == 60


def test_only_a_port_that_a_stranger_has_taken_changes(tmp_path: Path) -> None:
    first = describe(tmp_path, max_connections=None)
    with socket.socket() as stranger:
        stranger.bind((LOOPBACK, first.redis.port))
        stranger.listen()
        second = describe(tmp_path, max_connections=None)
    assert second.redis.port != first.redis.port
    assert second.postgres == first.postgres
    assert second.airflow == first.airflow


def test_every_file_with_a_secret_is_private_and_the_description_has_none(tmp_path: Path) -> None:
    platform = describe(tmp_path, max_connections=None)
    postgres.write_dsn_files(platform)
    airflow.write_config(platform)
    supervisord.write_config(platform, [], {})
    hidden = sorted((tmp_path / "secrets").iterdir())
    assert len(hidden) >= 15
    others = [
        description_path(tmp_path),
        platform.supervisord.config,
        platform.airflow.home / "airflow.cfg",
    ]
    for path in (*hidden, *others):
        assert path.stat().st_mode & 0o077 == 0, path
    description = description_path(tmp_path).read_text()
    for path in hidden:
        if path.suffix == ".password":
            assert path.read_text().strip() not in description, path


def test_every_address_in_the_description_is_on_loopback(tmp_path: Path) -> None:
    platform = describe(tmp_path, max_connections=None)
    text = description_path(tmp_path).read_text()
    urls = [word for word in json.dumps(json.loads(text)).split('"') if "://" in word]
    assert len(urls) >= 9
    assert [url for url in urls if LOOPBACK not in url] == []
    assert platform.postgres.host == LOOPBACK


def test_a_program_is_found_with_or_without_its_group(tmp_path: Path) -> None:
    platform = describe(tmp_path, max_connections=None)
    assert platform.program("worker_2") == platform.program("workers:worker_2")
    assert platform.program("worker_2").hostname == "worker-2"
    with pytest.raises(PlatformError, match="there are: postgres"):
        platform.program("worker_9")


def test_loading_where_nothing_is_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="localplatform up"):
        Platform.load(tmp_path)
