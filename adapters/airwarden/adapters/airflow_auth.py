"""Where the bearer token for Airflow's REST API comes from: a sign-in, a file, or a command."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from airwarden.adapters import foreign_answers
from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError


class TokenSource(Protocol):
    """Gives the token for the next request."""

    def token(self) -> str:
        """Return a token.

        Raises:
            UnavailableError: It cannot be had now.
            RejectedError: The credentials are refused.
        """
        ...

    def refused(self, token: str) -> bool:
        """Take note that Airflow refused this token; return whether another one may be had now."""
        ...


class PasswordToken:
    """A token by user name and password (`POST /auth/token`), kept until it is refused.

    Args:
        url: Airflow's base URL.
        username: A user that may do what the configuration asks for, and no more.
        password: Called at each sign-in, so that a changed secret is taken up.
        timeout: Seconds for one sign-in.
        ca_file: PEM bundle to trust instead of the system's.
        proxy: Proxy URL.
    """

    #: A token that is refused this young will not be better after another sign-in.
    _YOUNG = 30.0

    def __init__(
        self,
        url: str,
        username: str,
        password: Callable[[], str],
        *,
        timeout: float = 5.0,
        ca_file: str = "",
        proxy: str = "",
    ) -> None:
        self._url = url.rstrip("/") + "/auth/token"
        self._username = username
        self._password = password
        self._timeout = timeout
        self._ca_file = ca_file
        self._proxy = proxy
        self._lock = threading.Lock()
        self._token = ""
        self._since = 0.0

    def token(self) -> str:
        """Return the kept token, or sign in."""
        with self._lock:
            if not self._token:
                self._token = self._sign_in()
                self._since = time.monotonic()
            return self._token

    def refused(self, token: str) -> bool:
        """Forget the token unless it is brand-new; an invalid one reads 403, an expired one 401."""
        with self._lock:
            if token != self._token:
                return True  # another thread has signed in meanwhile
            if time.monotonic() - self._since < self._YOUNG:
                return False
            self._token = ""
            return True

    def _sign_in(self) -> str:
        import ssl

        import httpx

        verify: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
        )
        body = {"username": self._username, "password": self._password()}
        try:
            with httpx.Client(
                timeout=self._timeout,
                verify=verify,
                proxy=self._proxy or None,
                trust_env=False,
            ) as client:
                response = client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise UnavailableError(f"no sign-in at {self._url}: {error!r}") from None
        if response.status_code >= 500 or response.status_code == 429:
            raise UnavailableError(f"no sign-in at {self._url}: HTTP {response.status_code}")
        if response.text and not foreign_answers.is_json(response.text):
            raise RejectedError(
                foreign_answers.not_airflow(self._url, response.text, response.status_code)
            )
        if response.status_code != 201:
            raise RejectedError(
                f"{self._url} refused user {self._username!r}: HTTP {response.status_code}"
            )
        try:
            return str(response.json()["access_token"])
        except (ValueError, KeyError, TypeError):
            raise RejectedError(f"{self._url} gave no access_token") from None


class FileToken:
    """A token that something else keeps fresh in a file; read for every request.

    Args:
        path: The file; whitespace around the token is ignored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def token(self) -> str:
        """Return the file's content."""
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise UnavailableError(f"the token file cannot be read: {error}") from None
        if not token:
            raise UnavailableError(f"the token file {self._path} is empty")
        return token

    def refused(self, token: str) -> bool:
        """Return whether the file holds another token by now."""
        try:
            return self.token() != token
        except UnavailableError:
            return False


class CommandToken:
    """A token from a command's standard output, kept until it is refused.

    Args:
        command: Argument vector, run without a shell.
        timeout: Seconds that it may take.
        keep: Seconds after which it is asked again.
    """

    def __init__(
        self, command: Sequence[str], *, timeout: float = 10.0, keep: float = 600.0
    ) -> None:
        if not command:
            raise WrongInputError("the token command is empty")
        self._command = tuple(command)
        self._timeout = timeout
        self._keep = keep
        self._lock = threading.Lock()
        self._token = ""
        self._since = 0.0

    def token(self) -> str:
        """Return the kept token, or run the command."""
        with self._lock:
            if not self._token or time.monotonic() - self._since > self._keep:
                self._token = self._run()
                self._since = time.monotonic()
            return self._token

    def refused(self, token: str) -> bool:
        """Forget the token, and allow one more unless the command was asked just now."""
        with self._lock:
            if token == self._token and time.monotonic() - self._since < 1.0:
                return False
            self._token = ""
            return True

    def _run(self) -> str:
        name = self._command[0]
        try:
            done = subprocess.run(
                self._command, capture_output=True, text=True, timeout=self._timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"token command {name} took over {self._timeout} s") from None
        except OSError as error:
            raise UnavailableError(f"token command {name} cannot be run: {error}") from None
        if done.returncode or not done.stdout.strip():
            raise UnavailableError(f"token command {name} ended with {done.returncode}")
        return done.stdout.strip()
