"""The settings file that `airwarden init` writes: under twenty lines, its secrets beside it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from airwarden.core.errors import WrongInputError

SECRETS_SUFFIX = ".secrets"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret on its way into the settings: given now, or named.

    Attributes:
        key: The setting's key without its ending (`password`).
        value: The secret itself; goes into a file of its own.
        file: A file that holds it already.
        env: An environment variable that holds it.
    """

    key: str
    value: str = field(default="", repr=False)
    file: Path | None = None
    env: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the operator said.

    Attributes:
        url: Airflow's address.
        username: For a password token; empty with a bearer token.
        credential: Password or token.
        dsn: The observing role's connection string, or None.
        broker: The Celery broker's address, or None.
    """

    url: str
    username: str
    credential: Secret
    dsn: Secret | None = None
    broker: Secret | None = None


def write(answers: Answers, path: Path, *, force: bool) -> list[Path]:
    """Write the settings file and the secrets beside it; return what was written.

    Secret files have mode 0600 in a folder of mode 0700. The tokens of the remediator are made
    here, and kept if they are there already.

    Raises:
        WrongInputError: The settings file exists and `force` is not given, or cannot be written.
    """
    if path.exists() and not force:
        raise WrongInputError("exists already", place=str(path), hint="replace it with --force")
    folder = path.with_name(path.stem + SECRETS_SUFFIX)
    written = [path]
    try:
        text = yaml.safe_dump(_content(answers, folder, written), sort_keys=False, width=100)
        path.write_text(_HEAD + text, encoding="utf-8")
    except OSError as error:
        raise WrongInputError(f"cannot be written: {error.strerror}", place=str(path)) from None
    return written


_HEAD = "# Written by airwarden init. Nothing is acted on until remediator.mode is raised.\n"


def _content(answers: Answers, folder: Path, written: list[Path]) -> dict[str, object]:
    airflow_auth: dict[str, object] = {"username": answers.username} if answers.username else {}
    airflow_auth |= _reference(answers.credential, folder, "airflow", written)
    cluster: dict[str, object] = {
        "name": "default",
        "airflow": {"url": answers.url, "auth": airflow_auth},
    }
    if answers.dsn is not None:
        cluster["metadata_database"] = _reference(answers.dsn, folder, "observer", written)
    if answers.broker is not None:
        cluster["broker"] = _reference(answers.broker, folder, "broker", written)
    remediator: dict[str, object] = {}
    for key in ("webhook_token", "api_token"):
        made = Secret(key, value=secrets.token_urlsafe(32))
        remediator |= _reference(made, folder, "remediator", written, keep=True)
    return {"clusters": [cluster], "remediator": remediator | {"mode": "shadow"}}


def _reference(
    secret: Secret, folder: Path, owner: str, written: list[Path], *, keep: bool = False
) -> dict[str, object]:
    if secret.env:
        return {f"{secret.key}_env": secret.env}
    if secret.file is not None:
        return {f"{secret.key}_file": str(secret.file.resolve())}
    name = f"{owner}-{secret.key}".replace("_", "-")
    target = folder / name
    if not (keep and target.exists()):
        _write_private(target, secret.value)
        written.append(target)
    return {f"{secret.key}_file": f"{folder.name}/{name}"}


def _write_private(path: Path, content: str) -> None:
    """Write a file that nobody else can read, at no moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content + "\n")
