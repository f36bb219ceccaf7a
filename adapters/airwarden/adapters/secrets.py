"""Reading secrets from where the settings say they are, and keeping them out of logs.

The composition root calls `read_secret`; log processors call `redact`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from pydantic import SecretStr

from airwarden.core.errors import WrongInputError
from airwarden.core.settings.base import SecretRef

_SHORTEST = 6
_seen: set[str] = set()
_lock = threading.Lock()


def read_secret(
    reference: SecretRef, *, place: str, environ: Mapping[str, str] | None = None
) -> SecretStr:
    """Read a secret; its value is remembered so that `redact` removes it from messages.

    Args:
        reference: Where it is.
        place: The setting's key, for the message.
        environ: Environment variables; the process's own by default.

    Raises:
        WrongInputError: The file or variable is missing, unreadable or empty. The message names
            the place, never the content.
    """
    if reference.literal is not None:
        return SecretStr(reference.literal)
    if reference.env is not None:
        value = (os.environ if environ is None else environ).get(reference.env, "")
        missing = f"environment variable {reference.env} is not set"
    else:
        value, missing = _from_file(reference, place)
    value = value.strip()
    if not value:
        raise WrongInputError(missing, place=place)
    remember(value)
    return SecretStr(value)


def read_secrets(
    reference: SecretRef, *, place: str, environ: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Read a secret that may be several, one a line, as in a rotation; raises as `read_secret`."""
    found = read_secret(reference, place=place, environ=environ).get_secret_value().split()
    for one in found:
        remember(one)
    return tuple(found)


def _from_file(reference: SecretRef, place: str) -> tuple[str, str]:
    if reference.file is None:
        raise WrongInputError("names no file and no environment variable", place=place)
    try:
        return reference.file.read_text(encoding="utf-8"), f"file {reference.file} is empty"
    except UnicodeDecodeError:
        raise WrongInputError(f"file {reference.file} is not text", place=place) from None
    except OSError as error:
        raise WrongInputError(
            f"file {reference.file} cannot be read: {error.strerror}", place=place
        ) from None


class SecretToken:
    """A bearer token kept where nobody renews it, such as an environment variable.

    Args:
        reference: Where it is.
        place: The setting's key, for messages.
    """

    def __init__(self, reference: SecretRef, *, place: str) -> None:
        self._reference, self._place = reference, place
        self.token()

    def token(self) -> str:
        """Return it."""
        return read_secret(self._reference, place=self._place).get_secret_value()

    def refused(self, token: str) -> bool:
        """Return whether another one stands there by now."""
        return self.token() != token


def remember(value: str) -> None:
    """Note a secret's value for `redact`; very short ones would blot out ordinary words."""
    if len(value) >= _SHORTEST:
        with _lock:
            _seen.add(value)


def redact(text: str) -> str:
    """Replace every secret read so far by `***`."""
    with _lock:
        values = sorted(_seen, key=len, reverse=True)
    for value in values:
        if value in text:
            text = text.replace(value, "***")
    return text
