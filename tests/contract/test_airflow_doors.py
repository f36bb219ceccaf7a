"""A real Airflow API server behind a private authority's TLS, and behind an HTTP proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.core.errors import UnavailableError
from support.airflow_api import PASSWORD, POOL, USER, AirflowApi
from support.doors import ForwardProxy, TlsFront, private_authority
from support.servers import free_port


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    return private_authority(tmp_path)


@pytest.fixture
def secured(airflow_api: AirflowApi, authority: tuple[Path, Path]) -> Iterator[TlsFront]:
    front = TlsFront(int(airflow_api.url.rpartition(":")[2]), authority[1])
    yield front
    front.close()


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    proxy = ForwardProxy()
    yield proxy
    proxy.close()


def airflow(url: str, *, ca_file: str = "", proxy: str = "") -> AirflowRest:
    tokens = PasswordToken(url, USER, lambda: PASSWORD, ca_file=ca_file, proxy=proxy)
    return AirflowRest(url, tokens, ca_file=ca_file, proxy=proxy)


def pools(airflow: AirflowRest) -> set[str]:
    return {pool.name for pool in airflow.pools()}


def test_the_authority_of_ca_file_is_trusted(
    secured: TlsFront, authority: tuple[Path, Path]
) -> None:
    url = f"https://127.0.0.1:{secured.port}"
    assert POOL in pools(airflow(url, ca_file=str(authority[0])))


def test_without_ca_file_nothing_is_sent_to_an_unknown_authority(secured: TlsFront) -> None:
    with pytest.raises(UnavailableError, match="certificate"):
        airflow(f"https://127.0.0.1:{secured.port}").version()
    assert secured.passed == []


@pytest.mark.parametrize("tls", [False, True])
def test_every_request_goes_through_the_proxy(
    airflow_api: AirflowApi,
    secured: TlsFront,
    authority: tuple[Path, Path],
    proxy: ForwardProxy,
    tls: bool,
) -> None:
    url = f"https://127.0.0.1:{secured.port}" if tls else airflow_api.url
    through = airflow(url, ca_file=str(authority[0]), proxy=f"http://127.0.0.1:{proxy.port}")
    assert POOL in pools(through)
    # The sign-in, and the read after it.
    assert len(proxy.passed) >= 2
    assert set(proxy.passed) == {url.partition("//")[2]}


def test_a_proxy_that_is_gone_is_an_unavailable_airflow(airflow_api: AirflowApi) -> None:
    with pytest.raises(UnavailableError):
        airflow(airflow_api.url, proxy=f"http://127.0.0.1:{free_port()}").version()
