"""The state folder of `airwarden up`: one owner at a time, tokens and data that outlive a restart."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airwarden.core.errors import WrongInputError
from airwarden.core.settings import ListenAddress, Settings

#: Everything below is relative to the folder of the settings file.
DEFAULT = Path("var/up")
_REMEMBERED = "filled-in.json"


@contextmanager
def owned(folder: Path, *, make: bool = True) -> Iterator[None]:
    """Hold the folder for this process.

    Args:
        folder: The state folder.
        make: Make it if it is not there.

    Raises:
        FileNotFoundError: It is not there, and `make` is not set.
        WrongInputError: Another `airwarden up` holds it, or it cannot be made.
    """
    try:
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WrongInputError(f"cannot be used: {error.strerror}", place=str(folder)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise WrongInputError(
            "another airwarden up runs on this folder",
            place=str(folder),
            hint="stop it first, or name another folder with --state",
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def overrides(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the `AIRWARDEN_…` variables that fill in what the settings leave open.

    Tokens go into the folder; the journal is where the settings say, so that a remediator that is
    later started by itself goes on with it. A default port that is taken gives way to a free one; a
    port that the operator wrote is kept.
    """
    found = _missing_secrets(settings, folder)
    addresses: tuple[tuple[str, ListenAddress, bool], ...] = (
        ("EXPORTER", settings.exporter.listen, "listen" in settings.exporter.model_fields_set),
        (
            "REMEDIATOR",
            settings.remediator.listen,
            "listen" in settings.remediator.model_fields_set,
        ),
    )
    taken: set[int] = set()
    for section, listen, written in addresses:
        address = listen if written else _free(listen, taken)
        taken.add(address.port)
        found[f"AIRWARDEN_{section}__LISTEN"] = str(address)
    for section, part in (
        ("PROMETHEUS", settings.prometheus),
        ("ALERTMANAGER", settings.alertmanager),
    ):
        if part.url is not None:
            continue
        written = "listen" in part.model_fields_set
        address = part.listen if written else _free(part.listen, taken)
        taken.add(address.port)
        found[f"AIRWARDEN_{section}__LISTEN"] = str(address)
        found[f"AIRWARDEN_{section}__URL"] = f"http://{address}"
    return found


def _missing_secrets(settings: Settings, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("webhook_token", "api_token"):
        if getattr(settings.remediator, name) is None:
            path = _token(folder / "secrets" / name)
            found[f"AIRWARDEN_REMEDIATOR__{name.upper()}_FILE"] = str(path)
    return found


def _token(path: Path) -> Path:
    """Make a token of 256 bits in a file of mode 0600, or keep the one that is there."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
    return path


def _free(wanted: ListenAddress, taken: set[int]) -> ListenAddress:
    """Return the wanted address, or one with a free port where its own is taken."""
    for port in (wanted.port, 0):
        if port and port in taken:
            continue
        family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((wanted.host, port))
            except OSError:
                continue
            return ListenAddress(host=wanted.host, port=trial.getsockname()[1])
    raise WrongInputError("no port is free", place=str(wanted.host))


def remember(folder: Path, found: Mapping[str, str]) -> None:
    """Write down what was filled in, for `of_running`; it names files of secrets, never secrets."""
    (folder / _REMEMBERED).write_text(json.dumps(dict(found), indent=1) + "\n", encoding="utf-8")


def of_running(folder: Path) -> dict[str, str]:
    """Return what the `airwarden up` that runs on a folder has filled in; nothing if none runs."""
    try:
        with owned(folder, make=False):
            return {}
    except FileNotFoundError:
        return {}
    except WrongInputError:
        pass
    try:
        found = json.loads((folder / _REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def child_environment(found: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for our own child processes."""
    return {**os.environ, **found}
