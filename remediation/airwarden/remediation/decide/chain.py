"""The audit's chain of hashes: its links, how they are written as lines, and what breaks it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from airwarden.core.errors import WrongInputError

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the chain: the entry `seq` has this hash. The chain begins after `(0, GENESIS)`."""

    seq: int
    hash: str


START = Point(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain. `before` and `after` are JSON objects; `after.sentence` is for people."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    before: str
    after: str
    prev_hash: str
    hash: str

    @property
    def sentence(self) -> str:
        """What happened, in words."""
        return str(self.facts.get("sentence", self.action))

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was written beside the sentence, and it."""
        found = _object(self.after)
        return found if isinstance(found, dict) else {}

    @property
    def point(self) -> Point:
        """Where the next entry goes on."""
        return Point(self.seq, self.hash)

    def digest(self) -> str:
        """Return the hash that this entry must have."""
        parts = (
            str(self.seq),
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.actor,
            self.action,
            self.object,
            self.before,
            self.after,
            self.prev_hash,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def line(self) -> str:
        """Return it as one line of JSON, from which `read_line` makes the same entry."""
        body = {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "object": self.object,
            "before": _object(self.before),
            "after": _object(self.after),
            "prev_hash": self.prev_hash,
            "hash": self.hash,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def canonical(body: Mapping[str, Any]) -> str:
    """Return the text of a JSON object as the audit hashes it."""
    return json.dumps(body, sort_keys=True, default=str)


def _object(text: str) -> Any:
    """Return the object where its text is the one we write, else the text as it is."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) and canonical(found) == text else text


def read_line(line: str) -> Entry:
    """Read what `Entry.line` wrote; raises WrongInputError."""
    try:
        body = json.loads(line)
        return Entry(
            seq=int(body["seq"]),
            at=datetime.fromisoformat(body["at"]),
            actor=str(body["actor"]),
            action=str(body["action"]),
            object=str(body["object"]),
            before=_text(body["before"]),
            after=_text(body["after"]),
            prev_hash=str(body["prev_hash"]),
            hash=str(body["hash"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WrongInputError(
            f"is no line of an exported audit: {type(error).__name__}: {error}"
        ) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


class Kind(StrEnum):
    """Why a checkpoint was made."""

    #: Everything up to it was followed link by link and held.
    VERIFIED = "verified"
    #: Everything up to it lies in a file of the archive and may be pruned.
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place of the chain, signed off.

    Attributes:
        seq, hash: The place.
        file: The archive's file, for `ARCHIVED`.
        digest: SHA-256 of that file.
        signature: HMAC-SHA-256 over all of it with the audit's key, empty without a key.
    """

    seq: int
    kind: Kind
    at: datetime
    hash: str
    file: str = ""
    digest: str = ""
    signature: str = ""

    @property
    def point(self) -> Point:
        """Where the next entry goes on."""
        return Point(self.seq, self.hash)

    def signed(self, key: str) -> str:
        """Return the signature that it must have under a key; empty without one."""
        if not key:
            return ""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        text = json.dumps([self.seq, self.kind, at, self.hash, self.file, self.digest])
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def line(self) -> str:
        """Return it as one line of JSON."""
        body = {
            "seq": self.seq,
            "kind": self.kind.value,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "hash": self.hash,
            "file": self.file,
            "digest": self.digest,
            "signature": self.signature,
        }
        return json.dumps(body, separators=(",", ":"))


def read_checkpoint(line: str) -> Checkpoint:
    """Read what `Checkpoint.line` wrote; raises WrongInputError."""
    try:
        body = json.loads(line)
        return Checkpoint(
            seq=int(body["seq"]),
            kind=Kind(body["kind"]),
            at=datetime.fromisoformat(body["at"]),
            hash=str(body["hash"]),
            file=str(body["file"]),
            digest=str(body["digest"]),
            signature=str(body["signature"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WrongInputError(f"is no checkpoint: {type(error).__name__}: {error}") from None


class Walk:
    """Follows the chain, entry by entry.

    Args:
        begin: Where it goes on from; None takes the first entry's word for what came before it.
        checkpoints: Places that were signed off: the chain must pass through each.
    """

    def __init__(
        self, begin: Point | None = START, checkpoints: Mapping[int, Checkpoint] | None = None
    ) -> None:
        self.at = begin
        self.first = 0
        self.entries = 0
        self.passed = 0
        self._checkpoints = dict(checkpoints or {})

    def step(self, entry: Entry) -> Iterator[str]:
        """Take the next entry; yield a sentence for each thing that does not hold."""
        if self.at is None:
            self.at = Point(entry.seq - 1, entry.prev_hash)
            yield from self._pass(self.at)
        self.first = self.first or entry.seq
        expected = self.at.seq + 1
        if entry.seq > expected:
            missing = f"{expected}–{entry.seq - 1} are" if entry.seq - expected > 1 else None
            yield f"entries {missing} missing" if missing else f"entry {expected} is missing"
        elif entry.seq < expected:
            yield f"entry {entry.seq} stands where {expected} belongs"
        if entry.prev_hash != self.at.hash:
            yield f"entry {entry.seq} does not follow the one before it"
        if entry.digest() != entry.hash:
            yield f"entry {entry.seq} was changed"
        self.entries += 1
        self.at = entry.point
        yield from self._pass(self.at)

    def _pass(self, at: Point) -> Iterator[str]:
        mark = self._checkpoints.get(at.seq)
        if mark is None:
            return
        self.passed += 1
        if mark.hash != at.hash:
            yield f"entry {at.seq} is not the one that was signed off at {mark.at:%Y-%m-%d %H:%M} UTC"

    def end(self, head: Point | None = None) -> Iterator[str]:
        """Take the end of the chain: its head must be there, and what was signed off too."""
        at = self.at or START
        if head is not None and head != at:
            yield f"the chain ends at {at.seq}, its head says {head.seq}: entries were cut off"
        beyond = max(self._checkpoints, default=0)
        if beyond > at.seq:
            yield f"entry {beyond} was signed off, the chain ends at {at.seq}: entries were cut off"
