"""What every settings model shares: strictness, secrets by reference, paths, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def wrong(key: str, message: str) -> PydanticCustomError:
    """Return the error to raise about one key of the section that is being validated."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "key": key})


class EnvironmentValue(str):
    """A value that came from an `AIRWARDEN_…` variable; a secret refers back to it by name."""

    __slots__ = ("variable",)
    variable: str

    def __new__(cls, text: str, variable: str) -> EnvironmentValue:
        """Wrap `text`, read from `variable`."""
        value = super().__new__(cls, text)
        value.variable = variable
        return value


class SecretRef(BaseModel):
    """Where a secret is found; never the secret itself. Read it with the adapters' `read_secret`.

    Attributes:
        file: A file whose stripped content is the secret; read anew whenever it is needed.
        env: An environment variable that holds it.
        literal: An address that carries no password and so is no secret (`redis://127.0.0.1:6379/0`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: Path | None = None
    env: str | None = None
    literal: str | None = None

    def describe(self) -> str:
        """Say where it comes from, for messages and tables."""
        if self.file is not None:
            return f"file {self.file}"
        return f"environment variable {self.env}" if self.env else f"{self.literal}"


def resolve_path(path: Path, info: ValidationInfo) -> Path:
    """Make a relative path relative to the settings file, not to where the program was started."""
    base = (info.context or {}).get("base", Path())
    return Path(base) / path.expanduser()


#: A path in the settings file; relative ones start at the folder of that file.
ConfigPath = Annotated[Path, AfterValidator(resolve_path)]


class Section(BaseModel):
    """Base of all settings: unknown keys are refused, values never change, keys are documented.

    Attributes:
        secrets: Names that are written as `NAME_file` or `NAME_env`.
        addresses: Those of them that are addresses: `NAME` itself is allowed if without password.
    """

    # Each section is built with the whole, once, and not by itself when its class is made.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)
    secrets: ClassVar[tuple[str, ...]] = ()
    addresses: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def default(cls) -> Self:
        """Return the section in which nothing is given, as another one's default.

        Not validated: that would build each section by itself, and every command waits for it.
        """
        return cls.model_construct()

    @model_validator(mode="before")
    @classmethod
    def _fold_secrets(cls, data: Any, info: ValidationInfo) -> Any:
        """Turn `password_file: x` and `password_env: X` into the field `password`."""
        if not cls.secrets or not isinstance(data, Mapping):
            return data
        folded = dict(data)
        for name in cls.secrets:
            ways = [key for key in (name, f"{name}_file", f"{name}_env") if key in folded]
            if overriding := [key for key in ways if isinstance(folded[key], EnvironmentValue)]:
                # A variable replaces what the file says, also where it says it in another way.
                for key in set(ways) - set(overriding):
                    del folded[key]
                ways = overriding
            if len(ways) > 1:
                raise wrong(ways[1], f"give one of {' and '.join(ways)}, not both")
            if ways and folded[ways[0]] is not None:
                value = folded.pop(ways[0])
                folded[name] = cls._reference(name, ways[0], value, info)
        return folded

    @classmethod
    def _reference(cls, name: str, key: str, value: object, info: ValidationInfo) -> SecretRef:
        if isinstance(value, SecretRef):
            return value
        if key == name and isinstance(value, EnvironmentValue):
            if name in cls.addresses and not _has_password(value):
                return SecretRef(literal=str(value))
            return SecretRef(env=value.variable)
        if not isinstance(value, str) or not value:
            raise wrong(key, "expected text")
        if key.endswith("_file"):
            return SecretRef(file=resolve_path(Path(value), info))
        if key.endswith("_env"):
            return SecretRef(env=str(value))
        if name in cls.addresses and not _has_password(value):
            return SecretRef(literal=value)
        raise wrong(
            key,
            "a secret is never written in this file: put it into a file of mode 0600 and name that"
            f" with {name}_file, or into an environment variable and name that with {name}_env",
        )


def _has_password(address: str) -> bool:
    if re.search(r"(?i)\bpassword\s*=", address):
        return True
    try:
        return urlsplit(address).password is not None
    except ValueError:
        return True


def _url(value: str) -> str:
    """Accept an http or https address without credentials; drops a trailing slash."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{value!r} is not an address: write for example http://127.0.0.1:8080")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must not carry credentials: use the keys made for them")
    return value.rstrip("/")


#: An http or https address without credentials and without a trailing slash.
HttpUrl = Annotated[str, AfterValidator(_url)]

_LISTEN = re.compile(r"^(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]\s]+):(?P<port>\d{1,5})$")


class ListenAddress(BaseModel):
    """Host and port that a server binds; port 0 means a free one."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`, with brackets round an IPv6 host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can connect."""
        return self.host in LOOPBACK or self.host.startswith("127.")

    @model_serializer
    def _text(self) -> str:
        return str(self)

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, Mapping | ListenAddress):
            return value
        match = _LISTEN.match(str(value))
        if not match or int(match["port"]) > 65535:
            raise ValueError(f"{value!r} is not HOST:PORT: write for example 127.0.0.1:9810")
        return {"host": match["host"].strip("[]"), "port": int(match["port"])}


class Server(Section):
    """A server of ours: where it listens."""

    allow_non_loopback: bool = False
    """Whether `listen` may name an address that other machines reach. Off by default: put a proxy or a
    network policy in front first."""

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        listen: ListenAddress | None = getattr(self, "listen", None)
        if listen is not None and not listen.is_loopback and not self.allow_non_loopback:
            raise wrong(
                "listen",
                f"{listen} is reachable from other machines: bind 127.0.0.1, or set"
                " allow_non_loopback: true when something in front of it controls access",
            )
        return self
