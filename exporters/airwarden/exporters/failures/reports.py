"""What the listener on Airflow's side sends, checked and bounded. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from airwarden.core.errors import WrongInputError
from airwarden.core.failures import AttemptKey, Evidence, Raised

#: Bytes of a report; the listener sends at most half.
MOST_BODY = 65_536
_Id = Annotated[str, StringConstraints(min_length=1, max_length=400)]
_Class = Annotated[str, StringConstraints(min_length=1, max_length=250)]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,12}:[A-Za-z0-9.\-]{1,64}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-?<>]{1,200}$")]
_Connection = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,32}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer listener may say more


class _Exception(_Part):
    classes: tuple[_Class, ...] = Field(max_length=20)
    codes: tuple[_Code, ...] = Field(default=(), max_length=20)
    hash: _Hash = ""


class _Report(_Part):
    form: Literal[1]
    cluster: Annotated[str, StringConstraints(max_length=63)] = ""
    dag_id: _Id
    run_id: _Id
    task_id: _Id
    map_index: int = Field(default=-1, ge=-1, le=2**31)
    try_number: int = Field(ge=0, le=2**31)
    operator: tuple[_Class, ...] = Field(default=(), max_length=20)
    exceptions: tuple[_Exception, ...] = Field(default=(), max_length=20)
    packages: tuple[_Word, ...] = Field(default=(), max_length=20)
    connections: tuple[_Connection, ...] = Field(default=(), max_length=20)


@dataclass(frozen=True, slots=True)
class Reported:
    """A report.

    Attributes:
        cluster: The platform that it comes from, empty where it does not say.
        key: Of which attempt.
        evidence: What it says.
    """

    cluster: str
    key: AttemptKey
    evidence: Evidence


def read_report(body: bytes) -> Reported:
    """Return what a report says.

    Raises:
        WrongInputError: It is too long, no JSON, or not of the form that the listener sends; the message
            names the field and never repeats its content.
    """
    if len(body) > MOST_BODY:
        raise WrongInputError(f"a report may have {MOST_BODY} bytes")
    try:
        report = _Report.model_validate_json(body)
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise WrongInputError(first["msg"], place=place) from None
    key = AttemptKey(
        report.dag_id, report.run_id, report.task_id, report.map_index, report.try_number
    )
    evidence = Evidence(
        source="listener",
        raised=tuple(Raised(one.classes, one.codes, one.hash) for one in report.exceptions),
        packages=report.packages,
        connections=report.connections,
        operators=report.operator,
    )
    return Reported(report.cluster, key, evidence)
