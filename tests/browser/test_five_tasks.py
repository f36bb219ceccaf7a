"""Five tasks of somebody on call, each from the first page to done, as a person would do it."""

from __future__ import annotations

from playwright.sync_api import expect

from support.browsing import Person


def test_find_the_cause_of_a_firing_alert(person: Person) -> None:
    person.sign_in()
    person.check("now")
    row = person.page.get_by_role("row", name="AirflowTriggererDown")
    row.get_by_role("link", name="Incident").click()
    expect(person.page.get_by_role("heading", level=1)).to_contain_text("dead or frozen")
    expect(person.page.get_by_role("region", name="What was read")).to_contain_text("triggerer")
    expect(person.page.get_by_text("frozen").first).to_be_visible()
    person.check("incident-shadow")


def test_approve_a_plan(person: Person) -> None:
    person.sign_in()
    person.page.get_by_role("link", name="Look and decide").click()
    plan = person.page.get_by_role("region", name="The plan that waits for a yes")
    expect(plan).to_contain_text("give pool general 5 slots (of 4)")
    person.check("incident-approval")
    plan.get_by_label("Reason").fill("the report needs them")
    person.press("Approve", plan)
    expect(person.page.get_by_text("Approved: the plan is carried out")).to_be_visible()
    person.stage.bench.run(20)
    # It comes by itself: nobody reloads.
    expect(person.page.get_by_role("region", name="What was done")).to_contain_text("done")
    slots = {pool.name: pool.slots for pool in person.stage.bench.airflow.pools()}
    assert slots["general"] == 5
    person.check()


def test_pull_the_kill_switch(person: Person) -> None:
    person.sign_in()
    person.go("Rails")
    person.check("rails")
    kill = person.page.get_by_role("region", name="Kill switch")
    kill.get_by_text("Stop…").click()
    kill.get_by_label("Reason").fill("we roll back a release")
    kill.get_by_label("Yes, stop").check()
    person.check()
    person.press("Pull the kill switch", kill)
    expect(person.page.get_by_text("Effects are stopped.")).to_be_visible()
    person.check("stopped")
    person.go("Now")
    expect(person.page.get_by_text("we roll back a release")).to_be_visible()
    person.go("Rails")
    person.page.get_by_text("Resume", exact=True).click()
    person.page.get_by_role("region", name="Kill switch").get_by_label("Reason").first.fill("done")
    person.press("Let effects begin again")
    expect(person.page.get_by_text("Effects are stopped.")).to_have_count(0)


def test_promote_a_playbook(person: Person) -> None:
    person.sign_in()
    person.go("Playbooks")
    person.check("playbooks")
    row = person.page.get_by_role("row", name="worker-silent")
    row.get_by_role("link").click()
    person.page.get_by_role("link", name="Promote to approve").click()
    change = person.page.get_by_role("region", name="The change that lets it act")
    expect(change).to_contain_text("It has earned this.")
    expect(change.get_by_label("The change to commit")).to_have_text(
        "playbooks:\n  worker-silent:\n    mode: approve"
    )
    person.press("Copy", change)
    expect(change.get_by_role("button")).to_have_text("Copied")
    copied = person.page.evaluate("navigator.clipboard.readText()")
    assert copied == "playbooks:\n  worker-silent:\n    mode: approve"
    person.check("promote")


def test_follow_a_healed_incident(person: Person) -> None:
    person.sign_in()
    ended = person.page.get_by_role("region", name="Ended last")
    ended.get_by_role("link").first.click()
    stages = person.page.get_by_role("list", name="From alert to health").get_by_role("listitem")
    expect(stages.locator(".stage-name")).to_have_text(
        ["Alert", "Diagnosis", "Plan", "Guards", "Attempts", "Verification"]
    )
    expect(stages.last).to_contain_text("healthy")
    done = person.page.get_by_role("region", name="What was done")
    expect(done.get_by_role("row").first).to_contain_text("Before")
    person.check("incident-healed")
    person.page.get_by_role("link", name="In the audit").click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Audit")
    person.check("audit")
