"""A student and her teacher at the same time, each in a browser of their own."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_room_sees_her_arrive_and_move(reads, teaches, school):
    carol = teaches(school.carol)
    expect(carol.student("alice").locator(".student-status")).to_have_text("not started")
    expect(carol.page.locator("#here-count")).to_have_text("0")
    alice = reads(school.alice)
    expect(carol.student("alice").locator(".student-status")).to_have_text("reading")
    expect(carol.page.locator("#here-count")).to_have_text("1")
    alice.turn_to(2)
    expect(carol.student("alice").locator(".student-place")).to_have_text(re.compile(r"p. 2 of \d+"))
    expect(carol.page.locator(".paragraph[data-paragraph='12'] .paragraph-readers")).to_have_text("1 reader here")


def test_a_question_streams_into_the_room(reads, teaches, school, model):
    model.says_for("stream", "As it is ", "written.")
    model.holds("stream")
    carol, alice = teaches(school.carol), reads(school.alice)
    alice.ask("Does it stream?")
    question = carol.question("Does it stream?")
    expect(question.locator(".interruption-answer")).to_have_text("As it is")
    expect(question).to_have_attribute("data-state", "answering")
    expect(carol.student("alice").locator(".student-status")).to_have_text("asking")
    waiting = carol.page.locator(".segment[data-filter=waiting]")
    expect(waiting).to_contain_text("1")
    waiting.click()
    expect(question).to_be_visible()
    model.releases()
    expect(question).to_have_count(0)  # no longer waiting
    carol.page.locator(".segment[data-filter=all]").click()
    expect(question.locator(".interruption-answer")).to_have_text("As it is written.")
    expect(question.locator(".interruption-provider")).to_have_text("AI tutor")
    expect(carol.student("alice").locator(".student-status")).to_have_text("reading")
    carol.page.reload()
    carol.is_live()
    expect(question.locator(".interruption-answer")).to_have_text("As it is written.")


def test_a_failed_question_is_found_by_its_filter(reads, teaches, school, model):
    model.behaves("400", question="sure to fail")
    carol, alice = teaches(school.carol), reads(school.alice)
    alice.ask("Is this sure to fail?")
    carol.page.locator(".segment[data-filter=failed]").click()
    question = carol.question("Is this sure to fail?")
    expect(question).to_have_attribute("data-state", "failed")
    expect(question.locator(".interruption-reason")).not_to_be_empty()


def test_what_she_says_is_a_note_and_stays_in_the_tray(reads, teaches, school):
    carol, alice, bob = teaches(school.carol), reads(school.alice), reads(school.bob)
    carol.say("Look at paragraph three")
    for reader in (alice, bob):
        expect(reader.notices).to_contain_text("Your teacher says: Look at paragraph three")
    alice.notices.get_by_role("button", name="Put this note away").click()
    expect(alice.notices).to_be_empty()
    alice.page.get_by_role("button", name="Notes, 1 new").click()
    expect(alice.page.locator("#notes-list")).to_contain_text("Look at paragraph three")
    alice.page.keyboard.press("Escape")
    alice.page.reload()
    alice.is_live()
    expect(alice.page.get_by_role("button", name="Notes", exact=True)).to_be_visible()  # seen already
    alice.page.goto("/read/")
    expect(alice.page.locator(".last-word")).to_contain_text("Look at paragraph three")


def test_focus_offers_the_way_there_and_back(reads, teaches, school):
    carol, alice = teaches(school.carol), reads(school.alice)
    alice.scroll_to(300)
    before = alice.topmost()
    row = carol.page.locator(".paragraph[data-paragraph='14']")
    row.hover()
    row.get_by_role("button", name="Focus the class here").click()
    expect(alice.notices).to_contain_text("Your teacher asks everyone to look here")
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "1")  # nobody is dragged there
    alice.notices.get_by_role("button", name="Go there").click()
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "2")
    expect(alice.page.locator("#p14")).to_be_in_viewport()
    alice.notices.get_by_role("button", name="Back to my place").click()
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "1")
    expect(alice.page.locator(f".sentence[data-first-word='{before}']")).to_be_in_viewport()


def test_a_pause_dims_the_tools_and_never_the_text(reads, teaches, school):
    carol, alice = teaches(school.carol), reads(school.alice)
    carol.page.locator("#toggle-pause").click()
    expect(alice.page.locator("#paused-notice")).to_be_visible()
    expect(alice.page.locator("#ask-button")).to_have_attribute("aria-disabled", "true")
    assert float(alice.page.locator("#ask-button").evaluate("tool => getComputedStyle(tool).opacity")) < 1
    assert alice.page.locator("#p1").evaluate("""paragraph => {
        for (let element = paragraph; element; element = element.parentElement)
            if (getComputedStyle(element).opacity !== "1") return false;
        return true;
    }""")
    alice.page.keyboard.press("q")
    expect(alice.box).to_be_hidden()
    alice.page.reload()
    alice.is_live()
    expect(alice.page.locator("#paused-notice")).to_be_visible()
    carol.page.locator("#resume-class").click()
    expect(alice.page.locator("#paused-notice")).to_be_hidden()
    alice.page.keyboard.press("q")
    expect(alice.box).to_be_focused()


def test_a_removed_student_is_told_and_gone(reads, teaches, opens, school):
    carol, alice = teaches(school.carol), reads(school.alice)
    expect(carol.student("alice").locator(".student-status")).to_have_text("reading")
    page = opens.another_tab(carol.page.context)
    page.goto(f"{school.carol.path}students/{school.alice.enrollment_id}/")
    page.get_by_text("Remove from the class").click()
    page.get_by_role("button", name="Remove alice").click()
    page.wait_for_url(re.compile(r"/classes/\d+/$"))
    alice.is_in_state("ended")
    expect(alice.connection).to_have_text("You are no longer in this class. Please ask your teacher.")
    expect(carol.student("alice")).to_have_count(0)
    expect(carol.student("bob")).to_be_visible()


def test_bob_sees_nothing_of_alice(reads, school, model):
    alice, bob = reads(school.alice), reads(school.bob)
    expect(alice.ask("For my eyes only?")).to_have_attribute("data-state", "answered")
    alice.turn_to(2)
    bob.page.reload()
    bob.is_live()
    expect(bob.page.locator(".interruption")).to_have_count(0)
    expect(bob.page.locator("#page")).to_have_attribute("data-page", "1")
    assert "For my eyes" not in bob.page.content()
