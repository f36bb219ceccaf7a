"""What tests load as the schema of each release is what that release's migration makes."""

from __future__ import annotations

import pytest

from support.airflow_releases import RELEASES, make_file, schema_file
from support.postgres import PostgresServer


@pytest.mark.reliability
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", RELEASES)
def test_the_committed_schema_is_what_a_real_install_migrates_to(
    version: str, postgres_server: PostgresServer
) -> None:
    made = make_file(postgres_server, version)
    assert schema_file(version).read_text().partition("\n")[2] == made
    assert f"VALUES ('{RELEASES[version]}')" in made
