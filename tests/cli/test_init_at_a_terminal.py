"""init where a person answers: what is typed hidden goes into files of its own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import typer

from airwarden.cli.main import run
from airwarden.core.settings import parse

ANSWERS = {
    "Airflow's address": "http://127.0.0.1:1/",
    "User that": "svc",
    "Its password": "typed-password",
    "Read-only connection string": "postgresql://observer:typed-too@db/airflow",
}


class Terminal(io.StringIO):
    """Standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def _person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def prompt(question: str, *, hide_input: bool = False, **_: object) -> str:
        begins, answer = next(
            (begins, answer) for begins, answer in ANSWERS.items() if question.startswith(begins)
        )
        assert hide_input == ("typed" in answer), f"{begins} must be hidden"
        return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_person")
def test_typed_secrets_go_into_files_that_nobody_else_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--no-test"]) == 0
    text = (tmp_path / "airwarden.yaml").read_text()
    assert len(text.splitlines()) < 20
    assert "typed" not in text + "".join(capsys.readouterr())
    settings = parse(text, source="airwarden.yaml", environ={}, base=tmp_path)
    (cluster,) = settings.clusters
    password, database = cluster.airflow.auth.password, cluster.metadata_database
    assert password is not None
    assert password.file is not None
    assert database is not None
    assert database.dsn.file is not None
    assert password.file.read_text() == "typed-password\n"
    assert database.dsn.file.read_text() == "postgresql://observer:typed-too@db/airflow\n"
    for file in (password.file, database.dsn.file):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("_person")
def test_a_person_may_keep_answers_that_did_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    assert run(["init"]) == 1
    assert not (tmp_path / "airwarden.yaml").exists()
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    assert run(["init"]) == 0
    assert (tmp_path / "airwarden.yaml").exists()
