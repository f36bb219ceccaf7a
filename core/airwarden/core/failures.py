"""Why a task attempt failed: the values that rules, evidence and verdicts are made of. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Cause(StrEnum):
    """Whose fault a failed attempt is; each has exactly one."""

    #: The platform took the attempt away: a killed process, a silent worker, no memory, no disk.
    INFRASTRUCTURE = "infrastructure"
    #: A system outside Airflow did not answer, or refused.
    DEPENDENCY = "dependency"
    #: The DAG's own code is wrong.
    DAG_CODE = "dag_code"
    #: The code is right and the data is not: a check failed, or what was waited for never came.
    DATA = "data"
    #: Nothing tells.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """One line of the table: what it looks for, and what that means. All that is given must hold.

    Attributes:
        cause: The verdict.
        why: What it means, for people.
        exceptions: Patterns over exception classes: `KeyError`, `psycopg.OperationalError` (the top package
            and the class), `*ThrottlingError`. Base classes count where they are known.
        codes: Patterns over codes: `http:5??`, `errno:28`, `sqlstate:53*`, `aws:Throttl*`, `exit:137`,
            `signal:9`.
        operators: Patterns over the operator's class and its bases.
        packages: Top packages in which the traceback ends (the innermost three).
        events: Events of Airflow's audit log about the attempt.
        texts: Parts of the log's last lines, upper and lower case alike.
    """

    cause: Cause
    why: str
    exceptions: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain.

    Attributes:
        classes: `package.module.Class`, then its base classes, as far as they are known; a log knows the
            class alone, and often without its module.
        codes: See `FailureRule.codes`.
        fingerprint: Hash of its message without numbers and quoted parts.
    """

    classes: tuple[str, ...]
    codes: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of how an attempt ended.

    Attributes:
        source: `listener` or `log`; empty where nothing but the audit log speaks.
        raised: The exceptions, the outermost first.
        packages: Top packages in which the traceback ends, innermost first.
        codes: Codes that belong to no exception (the exit code of a killed process).
        connections: Ids of connections in sight.
        texts: Last lines of a log, in small letters; never shown.
        operators: The operator's class and its bases, as far as they are known.
    """

    source: str = ""
    raised: tuple[Raised, ...] = ()
    packages: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class AttemptKey:
    """What names a task attempt."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one cause of an attempt.

    Attributes:
        source: What told: `audit_log`, `listener`, `log`, `sample` (the log of another attempt of the same
            task), `dependency` (a system that the DAG declares was down), or `none`.
        why: The rule's sentence.
        exception: The class that decided, empty where none did.
        code, event: What else decided.
        connection: The connection in sight, if there was one.
        fingerprint: Hash of the message or log line, equal for equal failures.
    """

    cause: Cause
    source: str
    why: str
    exception: str = ""
    code: str = ""
    event: str = ""
    connection: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt with its verdict, as `airwarden why` shows it."""

    key: AttemptKey
    at: datetime
    tier: str
    team: str
    operator: str
    hostname: str
    final: bool
    verdict: Verdict
    connections: tuple[str, ...] = field(default=())
