"""`airwarden password`: the hash of a password, for an operator of the settings."""

from __future__ import annotations

import sys

import typer

from airwarden.core.errors import WrongInputError

#: Shorter ones are guessed.
_SHORTEST, _LONGEST = 12, 1000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("password")(_password)


def _password() -> None:
    """Print the hash of a password with which an operator signs in to the console.

    It is asked for twice, or read from standard input where that is no terminal; at least 12 characters.
    The hash goes into the settings: `remediator.operators.NAME.password_hash`.
    """
    from airwarden.remediation.console.passwords import hashed

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline(_LONGEST + 2).rstrip("\r\n")
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise WrongInputError(f"must have {_SHORTEST} to {_LONGEST} characters", place="password")
    typer.echo(hashed(password))
