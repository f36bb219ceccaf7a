"""Certificates for tests, made by openssl: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates in a folder.

    Args:
        folder: Where its files lie.
        name: Whose.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        self.cert = self._pair.cert
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", self._pair.key, "-out", self.cert, "-days", "2",
            "-subj", f"/CN={name}",
        )  # fmt: skip

    def sign(self, name: str, *, address: str = "127.0.0.1", host: str = "") -> Pair:
        """Make a key and a certificate for an address, or for a host's name."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", pair.key, "-out", pair.cert, "-days", "2",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{host}" if host else f"subjectAltName=IP:{address}",
            "-CA", self.cert, "-CAkey", self._pair.key,
        )  # fmt: skip
        return pair


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
