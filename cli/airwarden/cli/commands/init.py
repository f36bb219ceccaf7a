"""`airwarden init`: asks a few questions, tests the answers, writes a short settings file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.cli.starter import Answers, Secret
    from airwarden.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(_init)


def _init(
    url: Annotated[str, typer.Option(help="Airflow's address.")] = "",
    username: Annotated[str, typer.Option(help="User that Airwarden signs in as.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    password_env: Annotated[str, typer.Option(help="Variable with the password.")] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="File with a bearer token, instead of user and password.")
    ] = None,
    dsn_file: Annotated[
        Path | None, typer.Option(help="File with the read-only connection string.")
    ] = None,
    dsn_env: Annotated[str, typer.Option(help="Variable with the connection string.")] = "",
    broker_url_file: Annotated[
        Path | None, typer.Option(help="File with the Celery broker's address.")
    ] = None,
    output: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path(
        "airwarden.yaml"
    ),
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    test: Annotated[bool, typer.Option(help="Test the answers before writing.")] = True,
) -> None:
    """Write a short airwarden.yaml for an Airflow that is there already.

    Asks for what no option gives; secrets that are typed go into files of mode 0600 beside it.
    """
    from airwarden.cli.starter import Answers, Secret, write

    if output.exists() and not force:
        raise WrongInputError("exists already", place=str(output), hint="replace it with --force")
    interactive = sys.stdin.isatty()
    asking = _Asking(interactive)
    url = asking.text(url, "--url", "Airflow's address (http://127.0.0.1:8080)")
    credential = _named("token", token_file, "")
    if credential is None:
        username = asking.text(username, "--username", "User that Airwarden signs in as")
        credential = _named("password", password_file, password_env) or Secret(
            "password", value=asking.secret("--password-file or --password-env", "Its password")
        )
    dsn = _named("dsn", dsn_file, dsn_env)
    if dsn is None and interactive:
        typed = asking.optional("Read-only connection string of Airflow's database (empty: none)")
        dsn = Secret("dsn", value=typed) if typed else None
    broker = _named("url", broker_url_file, "")
    answers = Answers(url.rstrip("/"), username, credential, dsn, broker)
    if test and not _test(answers, asking):
        raise typer.Exit(1)
    folder = output.parent
    made = not folder.exists()
    written = write(answers, output, force=force)
    if made:
        typer.echo(f"made the folder {folder}")
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo("next: airwarden doctor, then airwarden up")


def _named(key: str, file: Path | None, env: str) -> Secret | None:
    from airwarden.cli.starter import Secret

    if file is None and not env:
        return None
    if file is not None and env:
        raise WrongInputError(f"give one of --{key}-file and --{key}-env, not both")
    return Secret(key, file=file, env=env)


class _Asking:
    """Asks at a terminal; elsewhere says which option is missing."""

    def __init__(self, interactive: bool) -> None:
        self._interactive = interactive

    def text(self, given: str, option: str, question: str) -> str:
        if given:
            return given
        self._must_ask(option)
        return str(typer.prompt(question)).strip()

    def secret(self, option: str, question: str) -> str:
        self._must_ask(option)
        return str(typer.prompt(question, hide_input=True)).strip()

    def optional(self, question: str) -> str:
        return str(typer.prompt(question, default="", hide_input=True, show_default=False)).strip()

    def confirm(self, question: str) -> bool:
        return self._interactive and typer.confirm(question, default=False)

    def _must_ask(self, option: str) -> None:
        if not self._interactive:
            raise WrongInputError(f"{option} is missing, and there is no terminal to ask at")


def _test(answers: Answers, asking: _Asking) -> bool:
    """Try the answers; True when they work, or the operator wants the file all the same."""
    import tempfile

    from airwarden.cli.doctor.examine import examine_airflow, examine_database, examine_machines
    from airwarden.cli.doctor.finding import Outcome
    from airwarden.cli.starter import write

    with tempfile.TemporaryDirectory(prefix="airwarden-init-") as folder:
        trial = Path(folder) / "airwarden.yaml"
        write(answers, trial, force=False)
        settings = _loaded(trial)
        (cluster,) = settings.clusters
        findings = [*examine_airflow(cluster)]
        if cluster.metadata_database is not None:
            findings += examine_database(cluster, settings)
        if cluster.broker is not None and all(f.outcome is not Outcome.FAILED for f in findings):
            findings += examine_machines(cluster)
    failed = [finding for finding in findings if finding.outcome is Outcome.FAILED]
    for finding in findings:
        if finding.outcome is Outcome.OK and finding.subject in ("reach it", "sign in"):
            typer.echo(f"{finding.system}: {finding.sentence}")
    for finding in failed:
        typer.echo(f"{finding.system}: {finding.sentence}", err=True)
        if finding.mend:
            typer.echo(f"  {finding.mend}", err=True)
    if not failed:
        return True
    if asking.confirm("Write the file all the same?"):
        return True
    typer.echo(f"nothing was written{os.linesep}", err=True, nl=False)
    return False


def _loaded(trial: Path) -> Settings:
    """Load what would be written; what is wrong is told of the answers, not of the trial's file."""
    from airwarden.cli.options import load_settings
    from airwarden.core.settings.load import WrongSettingsError

    try:
        return load_settings(trial)
    except WrongSettingsError as error:
        key = error.place.rpartition(": ")[2]
        raise WrongInputError(error.message, place=key, hint=error.hint) from None
