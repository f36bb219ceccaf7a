from __future__ import annotations

from pathlib import Path

import pytest

from airwarden.adapters.secrets import SecretToken, read_secret, redact, remember
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import SecretRef


def test_reads_a_file_and_drops_the_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr3t-value\n")
    secret = read_secret(SecretRef(file=file), place="x")
    assert secret.get_secret_value() == "s3cr3t-value"
    assert "s3cr3t-value" not in repr(secret)


def test_reads_a_variable() -> None:
    secret = read_secret(SecretRef(env="TOKEN"), place="x", environ={"TOKEN": "from-environment"})
    assert secret.get_secret_value() == "from-environment"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_secret_names_the_setting(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WrongInputError, match=r"remediator\.api_token: file .*token"):
        read_secret(SecretRef(file=file), place="remediator.api_token")
    with pytest.raises(WrongInputError, match="environment variable NOT_SET is not set"):
        read_secret(SecretRef(env="NOT_SET"), place="x", environ={})


def test_what_was_read_is_removed_from_messages(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("correct-horse-battery")
    read_secret(SecretRef(file=file), place="x")
    assert redact("refused correct-horse-battery at 9") == "refused *** at 9"


def test_a_longer_secret_is_removed_whole_where_it_contains_a_shorter_one() -> None:
    remember("inner-secret")
    remember("inner-secret-and-more")
    assert redact("inner-secret-and-more") == "***"


def test_a_token_from_the_environment_is_worth_another_try_only_if_it_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_TOKEN", "first-token")
    source = SecretToken(SecretRef(env="AIRFLOW_TOKEN"), place="x")
    assert source.token() == "first-token"
    assert not source.refused("first-token")
    monkeypatch.setenv("AIRFLOW_TOKEN", "second-token")
    assert source.refused("first-token")
