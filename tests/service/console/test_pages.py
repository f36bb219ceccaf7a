"""The pages: what they say, whose orders they take, what they never show, how they travel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airwarden.remediation.console.web import HEADERS
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.journal import audit, incidents
from airwarden.remediation.operators import Right, Role
from support.console_stage import TOKENS, Stage, Visitor, starving
from support.platform_bench import CLUSTER

LOOK, ORDER, ARM, APPROVE = Right.READ, Right.ORDER, Right.ARM, Right.APPROVE
#: Every address, with what it takes.
RIGHTS = {
    "GET /": LOOK,
    "GET /incidents": LOOK,
    "GET /incidents/{number}": LOOK,
    "GET /playbooks": LOOK,
    "GET /playbooks/{name}": LOOK,
    "GET /rails": LOOK,
    "GET /dags": LOOK,
    "GET /dags/{cluster}/{dag}": LOOK,
    "GET /audit": LOOK,
    "GET /configuration": LOOK,
    "POST /incidents/{number}/acknowledge": ORDER,
    "POST /incidents/{number}/release": ORDER,
    "POST /incidents/{number}/approve": APPROVE,
    "POST /incidents/{number}/deny": ORDER,
    "POST /incidents/{number}/close": ORDER,
    "POST /incidents/{number}/verdict": ARM,
    "POST /playbooks/{name}/rehearse": ORDER,
    "POST /playbooks/{name}/run": APPROVE,
    "POST /playbooks/{name}/mode": ORDER,
    "POST /rails/stop": ORDER,
    "POST /rails/resume": ARM,
    "POST /rails/maintenance": ORDER,
    "POST /rails/windows/{number}/end": ORDER,
    "POST /sign-out": LOOK,
}
#: What asks nobody who they are, and why.
OPEN = {
    "GET /sign-in": "the way in",
    "POST /sign-in": "the way in",
    "GET /sign-in/oidc": "the way to the provider",
    "GET /sign-in/oidc/callback": "the way back; only who went comes in",
    "GET /static/{name}": "sheets, scripts and a picture, the same for everybody",
}
PAGES = (
    "/",
    "/incidents",
    "/incidents/1",
    "/playbooks",
    "/playbooks/scheduler-restart",
    "/rails",
    "/dags",
    f"/dags/{CLUSTER}/orders_load",
    "/audit",
    "/configuration",
)
#: What a page may weigh with all that it loads.
FIRST_PAGE = 100_000


def number_of(stage: Stage, playbook: str) -> int:
    with stage.bench.journal.read() as tx:
        return next(one.id for one in incidents.search(tx) if one.playbook == playbook)


def state_of(stage: Stage, number: int) -> IncidentState:
    with stage.bench.journal.read() as tx:
        return incidents.get(tx, number).state


def test_the_table_of_addresses_is_complete(stage: Stage) -> None:
    found = {f"{one.method} {one.path}": one.right for one in stage.site.pages}
    assert {name: right for name, right in found.items() if right is not None} == RIGHTS
    assert {name for name, right in found.items() if right is None} == set(OPEN)


def test_each_role_sees_all_and_orders_what_it_may(told: Stage) -> None:
    ranks = {ORDER: Role.OPERATOR, ARM: Role.OPERATOR, APPROVE: Role.APPROVER}
    for role, token in TOKENS.items():
        visitor = Visitor(told.url)
        assert visitor.sign_in(f"the-{role}", token).status_code == 303
        for path in PAGES:
            assert visitor.get(path).status_code == 200, (role, path)
        csrf = re.search(r'name="csrf" value="([^"]+)"', visitor.page)
        assert csrf
        for name, right in RIGHTS.items():
            method, _, path = name.partition(" ")
            if method == "GET" or path == "/sign-out":
                continue
            # An incident and a window that are not there: who may order is told so, and nothing changes.
            at = path.replace("{number}", "999999").replace("{name}", "no-such-playbook")
            status = visitor.send(at, {"csrf": csrf[1]}).status_code
            allowed = role.rank >= ranks[right].rank
            assert (status != 403) is allowed, (role, name, status)


def test_who_is_not_signed_in_gets_no_page_and_no_order(stage: Stage) -> None:
    visitor = Visitor(stage.url)
    for path in PAGES:
        assert visitor.get(path).status_code == 303
    for name in RIGHTS:
        method, _, path = name.partition(" ")
        if method == "POST":
            assert visitor.send(path, {"reason": "x"}).status_code == 401


def test_every_page_travels_with_what_keeps_it_to_itself(told: Stage) -> None:
    visitor = told.visitor()
    for path in (*PAGES, "/sign-in", "/incidents/999999", "/nowhere"):
        answer = visitor.get(path)
        if answer.status_code == 404 and path == "/nowhere":
            continue
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
        assert answer.headers["cache-control"] == "no-store"
        # Nothing that the policy would hold back: no script, style or handler within the page.
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text), (
            path
        )
        assert not re.search(
            r'(?:src|href)="(?!/console/|#|https://airflow\.example\.com|http)', answer.text
        )


def test_the_first_page_and_all_that_it_loads_is_small(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get("/").text
    loaded = set(re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page))
    assert len(loaded) >= 4
    sizes = {one: len(visitor.http.get(one).content) for one in loaded}
    assert len(page.encode()) + sum(sizes.values()) < FIRST_PAGE, (len(page), sizes)
    for one in loaded:
        assert "immutable" in visitor.http.get(one).headers["cache-control"]


def test_the_first_page_says_how_the_platform_is_what_fires_and_what_waits(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get("/").text
    assert "AirflowDagConsecutiveFailures" in page
    assert "A plan waits for your yes" in page
    assert "A component of Airflow is dead or frozen" in page
    assert "Ended last" in page


def test_a_healed_incident_tells_its_whole_way(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get(f"/incidents/{number_of(told, 'scheduler-restart')}").text
    for word in (
        "It healed after",
        "Confirmed twice",
        "Done: restart scheduler",
        "all passed",
        "1 of 1 done",
        "<td>Before</td>",
    ):
        assert word.replace("<td>Before</td>", ">Before</th>") in page, word


def test_taking_over_giving_back_and_closing_go_by_the_same_orders_as_the_api(
    stage: Stage,
) -> None:
    bench = stage.bench
    stage.set_modes({"scheduler-restart": Mode.AUTO})
    bench.run(150)
    bench.quiet = {"scheduler", "scheduler2", "triggerer", "dag_processor"}
    bench.database.seconds = 2.5
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler", hostname="scheduler")
    bench.run(300)
    number = number_of(stage, "scheduler-restart")
    visitor = stage.visitor()
    assert "metadata database slow" in visitor.get(f"/incidents/{number}").text
    answer = visitor.order(f"/incidents/{number}/acknowledge", reason="on it")
    assert answer.headers["location"] == f"/console/incidents/{number}?told=taken"
    assert "You have it" in visitor.get(f"/incidents/{number}?told=taken").text
    assert state_of(stage, number) is IncidentState.HUMAN_OWNED
    refused = visitor.order(f"/incidents/{number}/close", reason="")
    assert refused.status_code == 400
    assert "a reason is required" in refused.text
    visitor.get(f"/incidents/{number}")
    assert (
        visitor.order(f"/incidents/{number}/close", reason="the database is fast again").status_code
        == 303
    )
    assert state_of(stage, number).terminal
    with bench.journal.read() as tx:
        story = audit.entries(tx, object=f"incident/{number}")
    assert [one.actor for one in story if one.actor != "airwarden"] == ["ada", "ada"]
    again = visitor.send(f"/incidents/{number}/close", {"csrf": csrf_of(visitor), "reason": "x"})
    assert again.status_code == 409


def csrf_of(visitor: Visitor) -> str:
    visitor.get("/rails")
    found = re.search(r'name="csrf" value="([^"]+)"', visitor.page)
    assert found
    return found[1]


def waiting_plan(stage: Stage) -> int:
    stage.set_modes({"pool-starving": Mode.APPROVE})
    stage.bench.run(150)
    starving(stage)
    return number_of(stage, "pool-starving")


def test_a_plan_is_approved_as_it_was_shown_and_once(stage: Stage) -> None:
    number = waiting_plan(stage)
    visitor = stage.visitor()
    visitor.get(f"/incidents/{number}")
    shown = visitor.page
    wrong = visitor.order(f"/incidents/{number}/approve", nonce="another")
    assert wrong.status_code == 409
    visitor.page = shown
    assert visitor.order(f"/incidents/{number}/approve", reason="go").status_code == 303
    stage.bench.run(60)
    assert next(p.slots for p in stage.bench.airflow.pools() if p.name == "general") == 5
    visitor.page = shown
    assert visitor.order(f"/incidents/{number}/approve").status_code == 409


def test_a_plan_is_denied(stage: Stage) -> None:
    number = waiting_plan(stage)
    visitor = stage.visitor()
    visitor.get(f"/incidents/{number}")
    assert visitor.order(f"/incidents/{number}/deny", reason="not now").status_code == 303
    stage.bench.run(60)
    assert next(p.slots for p in stage.bench.airflow.pools() if p.name == "general") == 4
    assert "denied by ada" in visitor.get(f"/incidents/{number}").text


def test_the_kill_switch_takes_a_reason_and_a_confirmation_and_shows_on_every_page(
    stage: Stage,
) -> None:
    visitor = stage.visitor()
    visitor.get("/rails")
    unsure = visitor.order("/rails/stop", cluster="*", reason="storm")
    assert unsure.status_code == 400
    unreasoned = visitor.order("/rails/stop", cluster="*", reason=" ", sure="yes")
    assert unreasoned.status_code == 400
    assert visitor.order("/rails/stop", cluster="*", reason="storm", sure="yes").status_code == 303
    for path in ("/", "/audit", "/playbooks"):
        assert "Effects are stopped." in visitor.get(path).text
    visitor.get("/rails")
    assert visitor.order("/rails/resume", reason="over").status_code == 303
    assert "Effects are stopped." not in visitor.get("/").text


def test_a_run_by_hand_is_rehearsed_and_begun_as_it_was_shown(stage: Stage) -> None:
    bench = stage.bench
    bench.run(150)
    bench.host.freeze("scheduler")
    bench.run(90)
    visitor = stage.visitor()
    visitor.get("/playbooks/scheduler-restart")
    answer = visitor.order(
        "/playbooks/scheduler-restart/rehearse", **{"target.component": "scheduler"}
    )
    assert answer.status_code == 200, answer.text
    assert "restart scheduler" in answer.text
    assert bench.host.effects == []
    visitor.page = answer.text
    begun = visitor.order("/playbooks/scheduler-restart/run", reason="it is frozen")
    assert begun.status_code == 303, begun.text
    bench.run(60)
    assert ("restart", "scheduler") in bench.host.effects


def test_promotion_prints_the_change_and_says_what_is_missing(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get("/playbooks/worker-silent?promote=approve").text
    assert "playbooks:\n  worker-silent:\n    mode: approve" in page
    assert "It has earned this." in page
    page = visitor.get("/playbooks/component-restart?promote=auto").text
    assert "It has not earned this yet" in page
    assert "override_reason" in page


def test_a_mode_is_lowered_here_and_not_raised_above_the_settings(stage: Stage) -> None:
    visitor = stage.visitor()
    visitor.get("/playbooks/scheduler-restart")
    done = visitor.order(
        "/playbooks/scheduler-restart/mode", mode="off", cluster="*", reason="noisy"
    )
    assert done.status_code == 303
    assert "noisy" in visitor.get("/playbooks/scheduler-restart").text
    high = visitor.order("/playbooks/scheduler-restart/mode", mode="auto", cluster="*", reason="x")
    assert high.status_code == 409


def test_what_alerts_and_people_write_stays_text(stage: Stage) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    stage.bench.run(60)
    stage.bench.shout(
        "AirflowDagConsecutiveFailures",
        dag_id=nasty,
        team=nasty,
        summary=nasty,
        component="pipelines",
    )
    stage.bench.run(60)
    visitor = stage.visitor()
    paths = ["/", "/incidents", "/incidents/1", "/audit", f"/audit?about={nasty}", "/dags",
             f"/incidents?cluster={nasty}", f"/?told={nasty}"]  # fmt: skip
    for path in paths:
        page = visitor.get(path).text
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path


def test_a_link_that_an_alert_brings_is_an_address_or_nothing(stage: Stage) -> None:
    from dataclasses import replace

    stage.bench.run(60)
    one = stage.bench.shout("AirflowDagConsecutiveFailures", dag_id="a", component="pipelines")
    bad = {
        **one.annotations,
        "runbook_url": "javascript:alert(1)",
        "dashboard_url": "https://g.example",
    }
    stage.bench.deliver(replace(one, annotations=bad))
    stage.bench.run(60)
    page = stage.visitor().get("/incidents/1").text
    assert "javascript:" not in page
    assert 'href="https://g.example"' in page


def test_a_page_that_did_not_change_costs_nothing(told: Stage) -> None:
    visitor = told.visitor()
    first = visitor.get("/", **{"X-Airwarden-Part": "1"})
    assert first.text.lstrip().startswith("<main")
    word = first.headers["etag"]
    again = visitor.get("/", **{"X-Airwarden-Part": "1", "If-None-Match": word})
    assert (again.status_code, again.content) == (304, b"")
    visitor.get("/rails")
    visitor.order("/rails/maintenance", **{"for": "1h", "reason": "x", "cluster": "*"})

    def renewed() -> bool:
        headers = {"X-Airwarden-Part": "1", "If-None-Match": word}
        return visitor.get("/", **headers).status_code == 200

    from support.eventually import eventually

    assert eventually(renewed, within=5)
    stranger = Visitor(told.url)
    headers = {"X-Airwarden-Part": "1", "If-None-Match": word}
    assert stranger.get("/", **headers).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/incidents/0", "/incidents/abc", "/incidents/99999999999999999999", "/incidents/-1",
     "/playbooks/none", "/dags/nowhere/x", "/playbooks?cluster=nowhere"],
)  # fmt: skip
def test_what_is_not_there_is_a_page_of_404(told: Stage, path: str) -> None:
    answer = told.visitor().get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


def test_a_dag_that_cannot_be_read_says_so_and_shows_what_is_known(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get(f"/dags/{CLUSTER}/no_such_dag").text
    assert "Airflow knows no DAG" in page
    page = visitor.get(f"/dags/{CLUSTER}/orders_load").text
    assert "AirflowDagConsecutiveFailures" in page
    assert "https://airflow.example.com/dags/orders_load" in page


def test_the_audit_is_paged_and_asked_about_one_thing_or_about_people(told: Stage) -> None:
    visitor = told.visitor()
    page = visitor.get("/audit?before=20").text
    numbers = [int(one) for one in re.findall(r'class="num">(\d+)<', page)]
    assert numbers == list(range(19, 0, -1))
    assert "signs in to the console" in visitor.get("/audit?people=yes").text
    number = number_of(told, "scheduler-restart")
    about = visitor.get(f"/audit?about=incident/{number}").text
    assert set(re.findall(r'about=(incident[^"]+)"', about)) == {f"incident%2F{number}"}


def test_settings_are_shown_and_secrets_are_not(tmp_path: Path) -> None:
    from airwarden.cli.console import shown
    from airwarden.core.settings import parse

    (tmp_path / "token").write_text("very-secret")
    text = """
remediator:
  api_token_file: token
  webhook_token_env: HOOK
  operators:
    ada: {token_sha256: "%s", password_hash: "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo"}
  console:
    oidc: {issuer: "https://idp.example.com", client_id: airwarden, client_secret_env: OIDC}
    roles: {sre: admin}
""" % ("ab" * 32)
    settings = parse(
        text, source="x", environ={"HOOK": "hook-secret", "OIDC": "oidc-secret"}, base=tmp_path
    )
    found: dict[str, Any] = shown(settings)
    said = repr(found)
    for secret in ("very-secret", "hook-secret", "oidc-secret", "argon2id", "abab"):
        assert secret not in said
    assert found["remediator"]["api_token"] == f"(file {tmp_path / 'token'})"
    assert found["remediator"]["webhook_token"] == "(environment variable HOOK)"
    assert found["remediator"]["operators"]["ada"]["password_hash"] == "(hidden)"
