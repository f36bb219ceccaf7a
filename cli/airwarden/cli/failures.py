"""How errors reach the operator: one clear block on stderr, and an exit code; no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from airwarden.core.errors import AirwardenError, WrongInputError

DONE = 0
FAILED = 1
WRONG_INPUT = 2
INTERNAL = 70
INTERRUPTED = 130
#: What each exit code means; no command has others.
EXIT_CODES = {
    DONE: "Done.",
    FAILED: "Findings of severity error, a run that did not heal, a person who said no; or a system"
    " could not be reached, or refused.",
    WRONG_INPUT: "Wrong input, in the command line or the settings; nothing was changed.",
    INTERNAL: "An error of Airwarden's own.",
    INTERRUPTED: "Interrupted by Ctrl-C.",
}


def report(error: Exception) -> int:
    """Print the error and return the exit code that belongs to its kind."""
    # Imported here: pydantic is not needed for `airwarden --help`.
    from airwarden.core.settings.load import WrongSettingsError

    if isinstance(error, WrongSettingsError):
        count = len(error.problems)
        _print(f"{count} problem{'s' if count > 1 else ''} in the settings; nothing was changed")
        for problem in error.problems:
            _item(problem.place, problem.message, problem.hint)
        return WRONG_INPUT
    if isinstance(error, WrongInputError):
        _print("wrong input; nothing was changed")
        _item(error.place, error.message, error.hint)
        return WRONG_INPUT
    if isinstance(error, AirwardenError):
        _print(str(error))
        return FAILED
    _print(f"internal error: {type(error).__name__}: {error}")
    print("  run it again as airwarden --debug … for the traceback", file=sys.stderr)
    return INTERNAL


@contextmanager
def listening(place: str) -> Iterator[None]:
    """Say which setting is to be changed when an address cannot be listened on.

    Raises:
        WrongInputError: Instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise WrongInputError(
            f"cannot be listened on: {error.strerror or error}", place=place
        ) from None


def _print(line: str) -> None:
    print(f"airwarden: {line}", file=sys.stderr)


def _item(place: str, message: str, hint: str) -> None:
    print(f"  {place}: {message}" if place else f"  {message}", file=sys.stderr)
    if hint:
        print(f"    {hint}", file=sys.stderr)
