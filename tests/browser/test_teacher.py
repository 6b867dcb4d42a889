"""A teacher's own pages in a real browser: the door, a new class, a text, the room and its tools."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, RoomPage

pytestmark = pytest.mark.browser

PASTED = """The Well

A well is a hole that reaches water. People dug them by hand, a bucket of earth at a time.

At the bottom it is cool, even in August. Nobody sings down there, because the well sings back."""


def test_from_the_log_in_to_a_class_with_a_text(opens, school):
    page = opens()
    page.goto("/login/")
    page.get_by_label("User name").fill(school.carol.username)
    page.get_by_label("Password").fill(school.carol.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/classes/")
    page.get_by_role("link", name="New class").click()
    page.get_by_label("Name").fill("8C")
    page.get_by_role("button", name="Open the class").click()
    page.wait_for_url(re.compile(r"/classes/\d+/$"))
    room = RoomPage(page).is_live()
    code = page.locator(".class-code-value").inner_text()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", code)
    expect(page.locator("#students-empty")).to_contain_text(code)
    page.locator("#text-none").get_by_role("link", name="Add a text").click()
    page.locator("textarea").fill(PASTED)
    page.get_by_role("button", name="See how it will look").click()
    page.get_by_role("button", name="Add it to the class").click()
    page.wait_for_url(re.compile(r"/classes/\d+/$"))
    room.is_live()
    expect(page.locator("#text-name")).to_have_text("The Well")
    expect(page.locator("#paragraphs .paragraph-number")).to_have_text(["¶1", "¶2"])


def test_a_wrong_password_is_said_and_nothing_else(opens, school):
    page = opens(trouble=True)  # the answer's status is 400, which a console notes
    page.goto("/login/")
    page.get_by_label("User name").fill(school.carol.username)
    page.get_by_label("Password").fill("wrong horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.url.endswith("/login/")


def test_an_empty_text_keeps_what_was_typed(opens, school):
    page = opens(school.carol, trouble=True)
    page.goto(f"{school.carol.path}texts/new/")
    page.get_by_label("Title").fill("Nothing")
    page.get_by_role("button", name="See how it will look").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Title")).to_have_value("Nothing")


def test_say_and_what_was_said_survive_a_reload(teaches, school):
    carol = teaches(school.carol)
    carol.page.keyboard.press("s")
    expect(carol.page.locator("#say-text")).to_be_focused()
    carol.say("Look at paragraph three")
    expect(carol.page.locator("#said")).to_contain_text("Look at paragraph three")
    carol.page.reload()
    carol.is_live()
    carol.page.keyboard.press("s")
    expect(carol.page.locator("#said")).to_contain_text("Look at paragraph three")


def test_pause_and_resume_by_key_and_over_a_reload(teaches, school):
    carol = teaches(school.carol)
    notice = carol.page.locator("#paused-notice")
    carol.page.keyboard.press("p")
    expect(notice).to_be_visible()
    expect(carol.page.locator("#toggle-pause-label")).to_have_text("Resume")
    carol.page.reload()
    carol.is_live()
    expect(notice).to_be_visible()
    carol.page.keyboard.press("p")
    expect(notice).to_be_hidden()


def test_focus_by_keyboard_alone(teaches, school):
    carol = teaches(school.carol)
    expect(carol.page.locator("#paragraphs .paragraph").first).to_be_visible()
    carol.page.keyboard.press("f")
    expect(carol.page.locator("#picking-notice")).to_be_visible()
    expect(carol.page.locator(".paragraph-pick").first).to_be_focused()
    carol.page.keyboard.press("Enter")
    expect(carol.page.locator("#picking-notice")).to_be_hidden()
    expect(carol.page.locator("#focus-notice")).to_contain_text("¶1 of The Lighthouse Keeper")
    carol.page.reload()
    expect(carol.is_live().page.locator("#focus-notice")).to_contain_text("¶1 of The Lighthouse Keeper")


def test_a_projector_hides_the_names(teaches, reads, school, model):
    alice = reads(school.alice)
    carol = teaches(school.carol)
    expect(carol.student("alice")).to_be_visible()
    alice.ask("Who reads over my shoulder?")
    expect(carol.question("over my shoulder")).to_contain_text("alice")
    carol.page.keyboard.press("h")
    expect(carol.student("Reader 1")).to_be_visible()
    assert "alice" not in carol.page.locator("main").inner_text()
    expect(carol.student("Reader 1").locator(".student-question")).to_be_hidden()
    carol.page.reload()
    carol.is_live()
    expect(carol.student("Reader 1")).to_be_visible()
    assert "alice" not in carol.page.locator("main").inner_text()


def test_three_tabs_on_a_phone_by_keyboard(teaches, school):
    carol = teaches(school.carol, size=PHONE)
    panels = {name: carol.page.locator(f"#{name}-panel") for name in ("students", "text", "questions")}
    expect(panels["students"]).to_be_visible()
    expect(panels["text"]).to_be_hidden()
    carol.page.get_by_role("tab", name="Students").focus()
    carol.page.keyboard.press("ArrowRight")
    expect(panels["text"]).to_be_visible()
    expect(panels["students"]).to_be_hidden()
    carol.page.keyboard.press("End")
    expect(panels["questions"]).to_be_visible()
    expect(carol.page.get_by_role("tab", name="Questions")).to_be_focused()
    carol.page.reload()
    carol.is_live()
    expect(panels["questions"]).to_be_visible()


def test_a_new_code_replaces_the_old_one(teaches, opens, school):
    carol = teaches(school.carol)
    before = carol.page.locator(".class-code-value").inner_text()
    carol.page.locator("#open-door").click()
    expect(carol.page.locator("#door .door-qr")).to_have_js_property("complete", True)
    carol.page.get_by_text("Make a new code…").click()
    carol.page.get_by_role("button", name="Make a new code").click()
    carol.is_live()
    after = carol.page.locator(".class-code-value")
    expect(after).not_to_have_text(before)
    page = opens(trouble=True)
    for code, door_opens in ((before, False), (after.inner_text(), True)):
        page.goto(f"/j/{code}/")
        page.get_by_label("Nickname").fill("yan")
        page.get_by_label("PIN").fill("4321")
        page.get_by_role("button", name="Start reading").click()
        if door_opens:
            page.wait_for_url("**/read/")
        else:
            expect(page.get_by_text("No class has this code")).to_be_visible()


def test_the_questions_of_one_paragraph(teaches, reads, school, model):
    alice = reads(school.alice)
    carol = teaches(school.carol)
    expect(alice.ask("About the first?")).to_have_attribute("data-state", "answered")
    alice.turn_to(2)
    expect(alice.ask("About the twelfth?")).to_have_attribute("data-state", "answered")
    expect(carol.question("About the twelfth?")).to_be_visible()
    twelfth = carol.page.locator(".paragraph[data-paragraph='12']")
    expect(twelfth.locator(".paragraph-count")).to_have_text("1")
    twelfth.locator(".paragraph-pick").click()
    expect(carol.question("About the first?")).to_have_count(0)
    expect(carol.question("About the twelfth?")).to_be_visible()
    carol.page.get_by_role("button", name="Show all").click()
    expect(carol.question("About the first?")).to_be_visible()
