"""One cause for each failure: real exceptions, through the listener's report and the shipped table."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import jinja2
import psycopg
import pymysql
import pytest
import redis
import sqlalchemy.exc
from hypothesis import given, settings
from hypothesis import strategies as st

from airwarden.core.failures import Cause, Evidence, FailureRule, Raised
from airwarden.exporters.failures.classify import Classifier
from airwarden.exporters.failures.rules import shipped
from support.airflow_side import reported

INFRA, DEPENDENCY, CODE, DATA, UNKNOWN = (
    Cause.INFRASTRUCTURE, Cause.DEPENDENCY, Cause.DAG_CODE, Cause.DATA, Cause.UNKNOWN
)  # fmt: skip
SHIPPED = Classifier((), shipped())


class AirflowException(Exception):  # noqa: N818 - Airflow's own names
    """As Airflow's, by name."""


class AirflowTaskTimeout(BaseException):
    """As Airflow's, by name."""


class ClientError(Exception):
    """As botocore's."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code, "Message": "secret"}}
        super().__init__(f"An error occurred ({code}) when calling PutObject: secret")


class SQLCheckOperator:
    """An operator of a data check, by name."""


def raised(error: BaseException) -> BaseException:
    """Return an exception with its traceback, as one that was caught."""
    with pytest.raises(type(error)):
        raise error
    return error


def of(make: Callable[[], Any]) -> BaseException:
    """Return what a call raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        make()
    return caught.value


def status(code: int) -> BaseException:
    request = httpx.Request("GET", "http://partner.example/x")
    return of(httpx.Response(code, request=request).raise_for_status)


def wrapped(outer: BaseException, inner: BaseException) -> BaseException:
    def run() -> None:
        raise outer from raised(inner)

    return of(run)


CASES: list[tuple[BaseException, Cause]] = [
    (of(lambda: psycopg.connect("host=127.0.0.1 port=1 connect_timeout=1")), DEPENDENCY),
    (psycopg.errors.lookup("57P01")("terminating connection"), DEPENDENCY),
    (psycopg.errors.lookup("40P01")("deadlock"), DEPENDENCY),
    (psycopg.errors.lookup("42P01")("no such table"), CODE),
    (psycopg.errors.lookup("23505")("duplicate key"), DATA),
    (pymysql.err.OperationalError(2003, "no server"), DEPENDENCY),
    (sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("gone")), DEPENDENCY),
    (sqlalchemy.exc.ProgrammingError("SELEC", {}, Exception("syntax")), CODE),
    (of(lambda: redis.Redis(port=1).ping()), DEPENDENCY),
    (of(lambda: httpx.get("http://127.0.0.1:1", trust_env=False)), DEPENDENCY),
    (status(503), DEPENDENCY),
    (status(429), DEPENDENCY),
    (status(401), DEPENDENCY),
    (status(404), CODE),
    (socket.gaierror(-2, "Name or service not known"), DEPENDENCY),
    (ssl.SSLCertVerificationError("expired"), DEPENDENCY),
    (ConnectionResetError(errno.ECONNRESET, "reset"), DEPENDENCY),
    (TimeoutError("timed out"), DEPENDENCY),
    (ClientError("ThrottlingException"), DEPENDENCY),
    (ClientError("NoSuchKey"), DATA),
    (KeyError("campaign_template"), CODE),
    (TypeError("no"), CODE),
    (of(lambda: __import__("no_such_module_here")), CODE),
    (of(lambda: jinja2.Template("{{ a.b.c }}").render()), CODE),
    (of(lambda: jinja2.Template("{% if %}")), CODE),
    (of(lambda: json.loads("{")), DATA),
    (of(lambda: b"\xff".decode()), DATA),
    (of(lambda: open("/no/such/file")), DATA),  # noqa: PTH123, SIM115 - the exception is wanted
    (MemoryError(), INFRA),
    (OSError(errno.ENOSPC, "No space left on device"), INFRA),
    (OSError(errno.EMFILE, "Too many open files"), INFRA),
    (SystemExit(3), CODE),
    (SystemExit(-9), INFRA),
    (AirflowException("Bash command failed. The command returned a non-zero exit code 137."), INFRA),
    (AirflowException("Bash command failed. The command returned a non-zero exit code 1."), CODE),
    (wrapped(AirflowException("job failed"), ConnectionRefusedError(111, "refused")), DEPENDENCY),
    (wrapped(KeyError("x"), ConnectionRefusedError(111, "refused")), CODE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "cause"), CASES, ids=[f"{type(e).__name__}-{n}" for n, (e, _) in enumerate(CASES)]
)
def test_real_exceptions_have_their_cause(error: BaseException, cause: Cause) -> None:
    verdict = SHIPPED.verdict(reported(error).evidence)
    assert (verdict.cause, verdict.source) == (cause, "listener"), verdict
    assert verdict.exception
    assert verdict.why


def test_the_same_exception_is_data_in_a_check_and_unknown_elsewhere() -> None:
    error = AirflowException("Test failed. Results: (0,)")
    assert SHIPPED.verdict(reported(error, SQLCheckOperator()).evidence).cause is DATA
    assert SHIPPED.verdict(reported(error).evidence).cause is UNKNOWN
    assert SHIPPED.verdict(reported(error).evidence, operator="SQLCheckOperator").cause is DATA


def test_a_timeout_is_the_dags_unless_it_waited_for_another_system() -> None:
    own = reported(raised(AirflowTaskTimeout())).evidence
    assert SHIPPED.verdict(own).cause is CODE
    waited = Evidence(source="log", raised=own.raised, packages=("socket", "psycopg", "dag"))
    assert SHIPPED.verdict(waited).cause is DEPENDENCY


@pytest.mark.parametrize(
    "event", ["heartbeat timeout", "state mismatch", "stuck in queued tries exceeded"]
)
def test_what_the_platform_wrote_down_goes_before_every_exception(event: str) -> None:
    evidence = reported(KeyError("x")).evidence
    verdict = SHIPPED.verdict(evidence, events={event})
    assert (verdict.cause, verdict.source, verdict.event) == (INFRA, "audit_log", event)


def test_a_killed_process_goes_before_what_it_raised() -> None:
    evidence = Evidence("log", raised=(Raised(("KeyError",)),), codes=("signal:9",))
    verdict = SHIPPED.verdict(evidence)
    assert (verdict.cause, verdict.code) == (INFRA, "signal:9")


def test_what_nobody_knows_is_explained_by_a_dependency_that_was_down() -> None:
    class OwnError(Exception):
        pass

    evidence = reported(OwnError()).evidence
    assert SHIPPED.verdict(evidence).cause is UNKNOWN
    verdict = SHIPPED.verdict(evidence, down=["billing-api"])
    assert (verdict.cause, verdict.source) == (DEPENDENCY, "dependency")
    assert "billing-api" in verdict.why
    assert SHIPPED.verdict(reported(KeyError()).evidence, down=["billing-api"]).cause is CODE


def test_what_the_dags_own_file_raises_is_its_own() -> None:
    evidence = Evidence("listener", (Raised(("dag.OwnError", "builtins.Exception")),), ("dag",))
    assert SHIPPED.verdict(evidence).cause is CODE


def test_nothing_known_is_unknown_and_says_so() -> None:
    verdict = SHIPPED.verdict(Evidence())
    assert (verdict.cause, verdict.source, verdict.exception) == (UNKNOWN, "none", "")


def test_a_sites_own_rules_win() -> None:
    own = (
        FailureRule(INFRA, "our vault sidecar", exceptions=("ConnectionRefusedError",)),
        FailureRule(DATA, "our contract", exceptions=("KeyError",), operators=("Ledger*",)),
    )
    classifier = Classifier(own, shipped())
    refused = reported(ConnectionRefusedError(111, "x")).evidence
    assert classifier.verdict(refused).why == "our vault sidecar"
    key_error = reported(KeyError("x")).evidence
    assert classifier.verdict(key_error, operator="LedgerOperator").cause is DATA
    assert classifier.verdict(key_error, operator="BashOperator").cause is CODE


def test_a_package_is_asked_for_where_it_is_known() -> None:
    rule = (FailureRule(DATA, "ours", exceptions=("ours.Broken", "soda.*")),)
    classifier = Classifier(rule, ())

    def cause(cls: str) -> Cause:
        return classifier.verdict(Evidence("log", (Raised((cls,)),))).cause

    assert cause("ours.deep.Broken") is DATA
    assert cause("Broken") is DATA  # a log that does not say the module
    assert cause("theirs.Broken") is UNKNOWN
    assert cause("soda.Anything") is DATA
    assert cause("Anything") is UNKNOWN


_TEXTS = st.text(max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.builds(Raised, st.lists(_TEXTS, max_size=4).map(tuple), st.lists(_TEXTS).map(tuple))),
    st.lists(_TEXTS, max_size=5).map(tuple),
    st.lists(_TEXTS, max_size=5).map(tuple),
    st.sets(_TEXTS, max_size=3),
)  # fmt: skip
def test_whatever_comes_there_is_exactly_one_cause(
    chain: list[Raised], codes: tuple[str, ...], texts: tuple[str, ...], events: set[str]
) -> None:
    evidence = Evidence("log", tuple(chain), codes=codes, texts=texts)
    assert SHIPPED.verdict(evidence, events=events).cause in Cause
