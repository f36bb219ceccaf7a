"""What the end of a task's log says of its failure. Pure, and safe with whatever a log holds.

Airflow 3 gives one JSON object a line (`error_detail` holds the exceptions with their frames), Airflow 2
and remote logs give text with tracebacks. Messages are hashed and never kept.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airwarden.core.failures import Evidence, Raised

#: Lines from the end that are looked at, and characters of each.
MOST_LINES, MOST_LINE = 400, 4_000
#: Lines from the end in which texts are looked for.
TEXT_LINES = 40
_MOST_CHAINED, _MOST_FRAMES = 6, 8
_VARYING = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^`]*`|0x[0-9a-f]+|[0-9a-f]{8,}|/\S+|\d+", re.IGNORECASE
)
_EXIT = re.compile(r"(?:exit|return) ?code:? (-?\d{1,5})\b", re.IGNORECASE)
_HTTP = re.compile(r"(?:error '|status code:? |^)([45]\d\d)\b(?: [A-Z]|$)")
_ERRNO = re.compile(r"\[Errno (\d{1,4})\]")
_AWS = re.compile(r"An error occurred \(([A-Za-z0-9.]{1,64})\)")
_CONNECTION = re.compile(r"conn_?id[\s=:'\"`]{1,4}([A-Za-z0-9_.\-]{1,64})")
#: A line that ends a traceback: the class, and its message behind a colon.
_LAST_LINE = re.compile(r"^([A-Za-z_][\w.]{0,199}?)(?:: (.*))?$")
_FRAME = re.compile(r'^\s*File "([^"]{1,1000})", line \d+')
_PREFIX = re.compile(r"^\[\d{4}-[^\]]{1,60}\] (?:\{[^}]{1,200}\} )?[A-Z]+ - ")
_BUILTIN = frozenset(name for name, value in vars(builtins).items() if isinstance(value, type))
_JOINT = ("The above exception was the direct cause", "During handling of the above exception")


def evidence_of(tail: bytes) -> Evidence:
    """Return what the last bytes of a log say; its first line may be cut.

    Args:
        tail: The end of the log as it came, JSON lines or text.
    """
    lines = tail.decode("utf-8", "replace").splitlines()[-MOST_LINES:]
    raised: Sequence[Raised] = ()
    packages: tuple[str, ...] = ()
    codes: dict[str, None] = {}
    words: list[str] = []
    plain: list[str] = []
    for line in lines:
        entry = _entry(line[: 64 * 1024])
        if entry is None:
            plain.append(line[:MOST_LINE])
            words.append(line[:MOST_LINE])
            continue
        event = str(entry.get("event", ""))[:MOST_LINE]
        words.append(event)
        detail = entry.get("error_detail")
        if isinstance(detail, list) and detail:
            raised, packages = _structured(detail)
        elif "Traceback (most recent call last)" in event:
            plain = event.splitlines()
        else:
            plain += event.splitlines()
        codes.update(dict.fromkeys(_ended(entry, event)))
    if not raised:
        raised, packages = _textual(plain)
    return Evidence(
        source="log" if lines else "",
        raised=tuple(raised),
        packages=packages,
        codes=tuple(codes),
        connections=tuple(dict.fromkeys(_CONNECTION.findall("\n".join(words))))[:10],
        texts=tuple(word.lower() for word in words[-TEXT_LINES:]),
    )


def _entry(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _ended(entry: Mapping[str, Any], event: str) -> Iterable[str]:
    """Yield how Airflow's supervisor says that the process ended."""
    signal = entry.get("signal")
    if isinstance(signal, int) and event.startswith("Process terminated by signal"):
        yield f"signal:{abs(signal)}"
    code = entry.get("exit_code")
    if isinstance(code, int) and code and event.startswith(("Process exited", "Task exited")):
        yield f"exit:{code}"


def _structured(detail: Sequence[Any]) -> tuple[list[Raised], tuple[str, ...]]:
    """Read Airflow 3's list of exceptions, the outermost first."""
    found: list[Raised] = []
    innermost: tuple[str, ...] = ()
    for one in detail[:_MOST_CHAINED]:
        if not isinstance(one, dict) or not isinstance(one.get("exc_type"), str):
            continue
        frames = one.get("frames")
        files = [
            str(frame.get("filename", ""))
            for frame in (frames if isinstance(frames, list) else [])[-_MOST_FRAMES:]
            if isinstance(frame, dict)
        ]
        packages = _packages(files[::-1])
        innermost = innermost or packages
        found.append(_raised(one["exc_type"], str(one.get("exc_value", "")), packages))
    return found, innermost


def _textual(lines: Sequence[str]) -> tuple[list[Raised], tuple[str, ...]]:
    """Read the last tracebacks of a text: those that belong together, the outermost exception last."""
    chain: list[tuple[Raised, tuple[str, ...]]] = []
    files: list[str] | None = None
    joint = False
    for raw in lines:
        line = _PREFIX.sub("", raw)
        if line.startswith("Traceback (most recent call last)") or "Traceback (most recent" in raw:
            chain = chain if joint else []
            files, joint = [], False
        elif any(text in line for text in _JOINT):
            joint = True
        elif files is not None and (frame := _FRAME.match(line)):
            files.append(frame.group(1))
        elif (
            files and not line.startswith((" ", "\t")) and (last := _LAST_LINE.match(line.strip()))
        ):
            packages = _packages(files[::-1][:_MOST_FRAMES])
            chain.append((_raised(last.group(1), last.group(2) or "", packages), packages))
            files = None
    chain.reverse()
    return [raised for raised, _ in chain[:_MOST_CHAINED]], chain[0][1] if chain else ()


def _raised(name: str, message: str, packages: tuple[str, ...]) -> Raised:
    """Make an exception; where the log gives no module, the innermost package stands for it."""
    message = message[:MOST_LINE]
    if "." not in name and packages and packages[0] not in ("dag", "python"):
        name = f"{packages[0]}.{name}" if name not in _BUILTIN else name
    codes: dict[str, None] = {}
    for pattern, kind in ((_ERRNO, "errno"), (_AWS, "aws"), (_HTTP, "http"), (_EXIT, "exit")):
        if found := pattern.search(message):
            codes[f"{kind}:{found.group(1)}"] = None
    varying = _VARYING.sub("?", message)
    fingerprint = hashlib.sha256(varying.encode("utf-8", "replace")).hexdigest()[:16]
    return Raised((name[:200],), tuple(codes), fingerprint)


def _packages(files: Sequence[str]) -> tuple[str, ...]:
    """Return the top packages of frames' files; `dag` for a file that no package holds."""
    found: list[str] = []
    for file in files:
        _, installed, inside = file.replace("\\", "/").rpartition("/site-packages/")
        if installed:
            top = inside.partition("/")[0].removesuffix(".py")
        else:
            library = re.search(r"/lib/python3\.\d+/([\w]+)", file)
            top = library.group(1) if library else "dag"
        if not found or found[-1] != top:
            found.append(top)
    return tuple(found)
