"""Pages that live: what changes comes by itself, what a person is at stays, and the keyboard is enough."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from airwarden.remediation.operations import Operations
from support.browsing import Person


def test_every_other_page_is_accessible_too(person: Person) -> None:
    person.open("/sign-in")
    person.check("sign-in")
    person.sign_in()
    for path, name in (
        ("/incidents", "incidents"),
        ("/playbooks/scheduler-restart", "playbook"),
        ("/dags", "dags"),
        ("/dags/lab/orders_load", "dag"),
        ("/configuration", "configuration"),
    ):
        person.open(path)
        person.check(name)
    person.expected = {404}
    person.open("/incidents/999999")
    person.check("not-there")


def test_a_new_incident_comes_by_itself_and_what_is_typed_stays(desktop: Person) -> None:
    person = desktop
    person.sign_in()
    row = person.page.get_by_role("row", name="AirflowDagConsecutiveFailures")
    row.get_by_role("link").click()
    person.page.get_by_text("Take over", exact=True).first.click()
    reason = person.page.get_by_label("Reason").first
    reason.fill("I know this one")
    number = int(person.page.url.partition("?")[0].rpartition("/")[2])
    Operations(person.stage.bench.parts, lambda: None).acknowledge(
        number, by="grace", reason="mine"
    )
    # Somebody is typing: the page waits, and the order is judged when it is sent.
    with person.page.expect_response(lambda one: one.url == person.page.url):
        pass
    expect(reason).to_have_value("I know this one")
    expect(reason).to_be_focused()
    person.expected = {409}
    reason.press("Enter")
    expect(person.page.get_by_role("alert")).to_contain_text("grace has it")


def test_the_first_page_renews_itself(desktop: Person) -> None:
    person = desktop
    person.sign_in()
    person.page.get_by_role("heading", name="Firing alerts").scroll_into_view_if_needed()
    person.stage.bench.shout(
        "AirflowDagFailureRateHigh", severity="warning", component="pipelines", summary="6 % fail"
    )
    person.stage.bench.run(5)
    expect(person.page.get_by_role("row", name="AirflowDagFailureRateHigh")).to_be_visible()


def test_a_session_that_ends_says_so_and_shows_nothing_new(desktop: Person) -> None:
    person = desktop
    person.sign_in()
    person.expected = {401}
    person.stage.operators = type(person.stage.operators)()
    expect(person.page.get_by_role("alert")).to_contain_text("Your session is over")


def test_the_theme_is_chosen_and_kept(desktop: Person) -> None:
    person = desktop
    person.sign_in()
    for wanted in ("light", "dark"):
        person.page.get_by_role("button", name="Theme").click()
        assert person.page.locator("html").get_attribute("data-theme") == wanted
        person.check()
    person.page.reload()
    assert person.page.locator("html").get_attribute("data-theme") == "dark"


def test_the_keyboard_reaches_the_page_and_closes_what_it_opened(desktop: Person) -> None:
    person = desktop
    person.sign_in()
    person.page.keyboard.press("Tab")
    expect(person.page.get_by_role("link", name="Skip to the page")).to_be_focused()
    person.page.keyboard.press("Enter")
    person.go("Rails")
    stop = person.page.get_by_text("Stop…")
    stop.focus()
    person.page.keyboard.press("Enter")
    expect(person.page.get_by_label("Cluster").first).to_be_focused()
    person.page.keyboard.press("Escape")
    expect(stop).to_be_focused()


@pytest.mark.parametrize("javascript", [False])
def test_orders_work_without_a_script(browser: Browser, desktop: Person, javascript: bool) -> None:
    context = browser.new_context(java_script_enabled=javascript)
    person = Person(context.new_page(), desktop.stage, "desktop light")
    person.sign_in()
    person.go("Rails")
    kill = person.page.get_by_role("region", name="Kill switch").first
    kill.get_by_text("Stop…").click()
    kill.get_by_label("Reason").fill("no script here")
    kill.get_by_label("Yes, stop").check()
    kill.get_by_role("button", name="Pull the kill switch").click()
    expect(person.page.get_by_text("Effects are stopped.")).to_be_visible()
    context.close()
