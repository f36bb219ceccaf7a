"""Who comes into the console: by password, token, proxy; and who does not, and how long it lasts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from airwarden.remediation.console_terms import ProxyTerms
from airwarden.remediation.journal import audit
from airwarden.remediation.operators import Operators, Role
from support.console_stage import COMMON, PASSWORDS, TOKENS, Stage, Visitor


def test_a_stranger_is_led_to_the_form_and_then_to_where_they_wanted(stage: Stage) -> None:
    visitor = Visitor(stage.url)
    turned = visitor.get("/incidents?state=open")
    assert turned.status_code == 303
    assert (
        turned.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fincidents%3Fstate%3Dopen"
    )
    form = visitor.http.get(turned.headers["location"]).text
    wanted = re.search(r'name="next" value="([^"]+)"', form)
    assert wanted
    answer = visitor.sign_in("ada", PASSWORDS["ada"], next=wanted[1])
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/incidents?state=open",
    )
    assert visitor.get("/incidents?state=open").status_code == 200


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil", "/api/v1/status"]
)
def test_after_signing_in_one_is_led_nowhere_else(stage: Stage, to: str) -> None:
    answer = Visitor(stage.url).sign_in("ada", PASSWORDS["ada"], next=to)
    assert answer.headers["location"] == "/console/"


def test_the_cookie_is_for_nobody_but_the_browser_and_the_journal_keeps_only_its_hash(
    stage: Stage,
) -> None:
    visitor = Visitor(stage.url)
    said = visitor.sign_in("ada", PASSWORDS["ada"]).headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert "Secure" not in said  # this one came by plain HTTP, on loopback
    token = visitor.http.cookies["airwarden"]
    journal = b"".join(one.read_bytes() for one in Path(stage.bench.url[10:]).parent.iterdir())
    assert token.encode() not in journal
    stage.terms = replace(stage.terms, url="https://airwarden.example.com")
    said = Visitor(stage.url).sign_in("ada", PASSWORDS["ada"]).headers["set-cookie"]
    assert said.startswith("__Host-airwarden=")
    assert "Secure" in said
    assert "Path=/;" in said
    assert "Domain" not in said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ada", "a wrong password"),
        ("nobody", PASSWORDS["ada"]),
        ("vera", PASSWORDS["ada"]),
        ("", PASSWORDS["ada"]),
        ("ada", ""),
        ("ada", TOKENS[Role.ADMIN]),  # somebody else's token
        ("ada", COMMON),  # a name that is proved, not given
        ("ada\0", PASSWORDS["ada"]),
    ],
)
def test_what_does_not_belong_together_opens_nothing(stage: Stage, name: str, shown: str) -> None:
    visitor = Visitor(stage.url)
    answer = visitor.sign_in(name, shown)
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert "set-cookie" not in answer.headers
    assert visitor.get("/").status_code == 303


def test_an_operators_token_and_the_common_one_open_it_too(stage: Stage) -> None:
    approver = Visitor(stage.url)
    assert approver.sign_in("the-approver", TOKENS[Role.APPROVER]).status_code == 303
    assert "the-approver" in approver.get("/").text
    anybody = Visitor(stage.url)
    assert anybody.sign_in("grace", COMMON).status_code == 303
    assert "common token" in anybody.get("/").text
    with stage.bench.journal.read() as tx:
        said = [one.sentence for one in audit.entries(tx) if one.action == "sign-in"]
    assert said == [
        "the-approver signs in to the console (by token).",
        "grace signs in to the console (by the common token: the name is not proved).",
    ]


def test_who_fails_too_often_waits_and_the_right_password_does_not_help(stage: Stage) -> None:
    visitor = Visitor(stage.url)
    statuses = [visitor.sign_in("ada", "wrong").status_code for _ in range(14)]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    answer = visitor.sign_in("ada", PASSWORDS["ada"])
    assert answer.status_code == 429
    assert "Too many failed sign-ins" in answer.text


def test_signing_out_ends_the_session_not_only_the_cookie(stage: Stage) -> None:
    visitor = stage.visitor()
    kept = visitor.http.cookies["airwarden"]
    visitor.get("/")
    assert visitor.order("/sign-out").headers["location"] == "/console/sign-in"
    visitor.http.cookies.set("airwarden", kept)
    assert visitor.get("/").status_code == 303


def test_a_session_ends_when_its_time_is_up_and_when_nobody_looks(stage: Stage) -> None:
    stage.terms = replace(stage.terms, session=timedelta(hours=3), idle=timedelta(hours=1))
    visitor, idle = stage.visitor(), stage.visitor("vera")
    for _ in range(5):
        stage.bench.clock.advance(35 * 60)
        assert visitor.get("/").status_code == 200
        # A page that renews itself is nobody who looks.
        idle.get("/", **{"X-Airwarden-Part": "1"})
    assert idle.get("/").status_code == 303
    stage.bench.clock.advance(35 * 60)
    assert visitor.get("/").status_code == 303
    part = visitor.get("/", **{"X-Airwarden-Part": "1"})
    assert part.status_code == 401


def test_who_leaves_the_settings_is_out_at_once_and_a_role_counts_as_it_is_now(
    stage: Stage,
) -> None:
    visitor = stage.visitor()
    ada, hashed = stage.operators.passwords["ada"]
    viewer = replace(ada, role=Role.VIEWER)
    stage.operators = Operators(passwords={"ada": (viewer, hashed)})
    visitor.get("/rails")
    assert "Pull the kill switch" not in visitor.page
    stage.operators = Operators()
    assert visitor.get("/").status_code == 303


def test_a_form_from_elsewhere_or_of_another_session_orders_nothing(stage: Stage) -> None:
    visitor, other = stage.visitor(), stage.visitor("vera")
    fields = {"cluster": "*", "reason": "because", "sure": "yes"}
    visitor.get("/rails")
    other.get("/rails")
    theirs = re.search(r'name="csrf" value="([^"]+)"', other.page)
    assert theirs
    for given in ({}, {"csrf": theirs[1]}, {"csrf": "é"}):
        assert visitor.send("/rails/stop", {**fields, **given}).status_code == 403
    mine = re.search(r'name="csrf" value="([^"]+)"', visitor.page)
    assert mine
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = visitor.send("/rails/stop", {**fields, "csrf": mine[1]}, **headers)
        assert answer.status_code == 403, headers
    visitor.get("/rails")
    assert "Effects may begin" in visitor.page
    assert visitor.order("/rails/stop", **fields).status_code == 303


def test_signing_in_by_a_form_from_elsewhere_is_refused(stage: Stage) -> None:
    visitor = Visitor(stage.url)
    fields = {"name": "ada", "password": PASSWORDS["ada"]}
    answer = visitor.send("/sign-in", fields, Origin="https://evil.example")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


PROXY = ProxyTerms((ip_network("127.0.0.0/8"),))
ADA = {"X-Forwarded-User": "ada@example.com", "X-Forwarded-Groups": "dev, sre"}


def test_a_proxys_headers_name_somebody_only_from_its_address(stage: Stage) -> None:
    roles = {"sre": Role.APPROVER}
    elsewhere = ProxyTerms((ip_network("10.1.2.0/24"),))
    for proxy in (None, elsewhere):
        stage.terms = replace(stage.terms, proxy=proxy, roles=roles)
        for more in ({}, {"X-Forwarded-For": "10.1.2.3"}, {"Forwarded": "for=10.1.2.3"}):
            assert Visitor(stage.url).get("/", **ADA, **more).status_code == 303
    stage.terms = replace(stage.terms, proxy=PROXY)
    visitor = Visitor(stage.url)
    answer = visitor.get("/", **ADA)
    assert answer.status_code == 200
    assert "ada@example.com" in answer.text
    assert "approver" in answer.text


def test_a_proxys_session_is_worth_nothing_without_its_headers_or_with_another_name(
    stage: Stage,
) -> None:
    stage.terms = replace(stage.terms, proxy=PROXY, roles={"sre": Role.ADMIN, "dev": Role.VIEWER})
    visitor = Visitor(stage.url)
    visitor.get("/", **ADA)
    assert visitor.get("/").status_code == 303
    bob = {**ADA, "X-Forwarded-User": "bob@example.com", "X-Forwarded-Groups": "dev"}
    page = visitor.get("/", **bob)
    assert "bob@example.com" in page.text
    assert "ada@example.com" not in page.text


def test_who_has_no_role_is_turned_away_and_told_why(stage: Stage) -> None:
    stage.terms = replace(stage.terms, proxy=PROXY, roles={"admins": Role.ADMIN})
    answer = Visitor(stage.url).get("/", **ADA)
    assert answer.status_code == 403
    assert "none of their groups (dev, sre) has one in remediator.console.roles" in answer.text
    stage.terms = replace(stage.terms, others=Role.VIEWER)
    assert "viewer" in Visitor(stage.url).get("/", **ADA).text


def test_a_scripts_token_opens_no_console(stage: Stage) -> None:
    known = {key: replace(one, person=False) for key, one in stage.operators.by_digest.items()}
    stage.operators = Operators(known)
    answer = Visitor(stage.url).sign_in("the-admin", TOKENS[Role.ADMIN])
    assert answer.status_code == 401
