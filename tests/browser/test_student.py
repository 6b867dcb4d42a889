"""A student's own pages in a real browser: the door, the books, the reading page and its comfort."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, ReadingPage

pytestmark = pytest.mark.browser


def test_joining_by_code_on_a_phone_one_question_at_a_time(opens, school):
    page = opens(size=PHONE)
    page.goto(f"/j/{school.code}/")
    nickname, pin = page.get_by_label("Nickname"), page.get_by_label("PIN")
    expect(nickname).to_be_visible()
    expect(pin).to_be_hidden()
    nickname.fill("zoe")
    page.get_by_role("button", name="Go on").click()
    expect(nickname).to_be_hidden()
    pin.fill("4321")
    page.get_by_role("button", name="Start reading").click()
    page.wait_for_url("**/read/")
    page.get_by_role("button", name=re.compile("Start reading.*The Lighthouse Keeper")).click()
    page.wait_for_url("**/page/1/")
    ReadingPage(page).is_live()
    expect(page.get_by_role("heading", level=1)).to_have_text("The Lighthouse Keeper")


def test_a_wrong_pin_is_said_beside_its_field(opens, school):
    page = opens(size=PHONE, trouble=True)  # the answer's status is 400, which a console notes
    page.goto(f"/j/{school.code}/")
    page.get_by_label("Nickname").fill("alice")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("PIN").fill("9999")
    page.get_by_role("button", name="Start reading").click()
    pin = page.get_by_label("PIN")
    expect(pin).to_have_accessible_description(re.compile("not their PIN"))
    expect(pin).to_be_visible()


def test_scrolling_is_progress(reads, school, site):
    alice = reads(school.alice)
    with alice.hearing("PROGRESS_SAVED"):
        alice.scroll_to(900)
    stored = site.clerk.place(school.alice)
    assert stored == alice.topmost() > 0
    percent = int(alice.page.locator("#percent").inner_text().split()[0])
    assert percent > 0 and alice.page.locator("#how-far").evaluate("bar => bar.value") == percent


def test_a_turned_page_keeps_the_socket_and_the_place(reads, school, site):
    alice = reads(school.alice)
    first = alice.first_word_of(2)
    with alice.hearing("PROGRESS_SAVED", wordIndex=first):
        alice.turn_to(2)
    assert site.clerk.place(school.alice) == first
    assert len(alice.wires) == 1
    assert alice.page.url.endswith("/page/2/")
    alice.page.go_back()
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "1")
    alice.page.go_forward()
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "2")


def test_a_reload_comes_back_to_the_page_and_the_sentence(reads, school, site):
    alice = reads(school.alice)
    with alice.hearing("PROGRESS_SAVED", wordIndex=alice.first_word_of(2)):
        alice.turn_to(2)
    with alice.hearing("PROGRESS_SAVED"):
        alice.scroll_to(700)
    alice.page.reload()
    alice.is_live()
    stored = site.clerk.place(school.alice)
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "2")
    expect(alice.page.locator(f".word[data-word='{stored}']")).to_be_in_viewport()


def test_comfort_outlives_a_reload_and_reaches_another_tab(reads, opens, school):
    alice = reads(school.alice)
    other = ReadingPage(opens.another_tab(alice.page.context)).open(school.alice.path)
    with alice.hearing("PREFERENCES_SAVED"):
        alice.page.get_by_role("button", name="Comfort").click()
        alice.page.get_by_label("Sepia").check(force=True)
        alice.page.get_by_label("Size").fill("1.4")
    for page in (alice.page, other.page):
        expect(page.locator("html")).to_have_attribute("data-theme", "sepia")
        expect(page.locator("html")).to_have_attribute("style", re.compile(r"--reading-scale: ?1\.4"))
    alice.page.reload()
    # From the markup and before the first paint, not only once the socket has spoken.
    assert alice.page.locator("html").get_attribute("data-theme") == "sepia"
    assert alice.page.evaluate("document.documentElement.style.getPropertyValue('--reading-scale')") == "1.4"
    alice.is_live()
    expect(alice.page.locator("html")).to_have_attribute("data-theme", "sepia")


def test_two_tabs_never_move_each_other_back(reads, opens, school, site):
    alice = reads(school.alice)
    other = ReadingPage(opens.another_tab(alice.page.context)).open(school.alice.path)
    first = alice.first_word_of(2)
    with other.hearing("PROGRESS_SAVED", wordIndex=first), alice.hearing("PROGRESS_SAVED", wordIndex=first):
        alice.turn_to(2)
    expect(other.page.locator("#page")).to_have_attribute("data-page", "1")  # who reads is not scrolled away
    other.page.reload()
    other.is_live()
    assert site.clerk.place(school.alice) == first


def test_a_tab_in_which_time_was_spent_moves_nobody_back_when_it_is_left(reads, opens, school, site):
    alice = reads(school.alice)
    tab = opens.another_tab(alice.page.context)
    tab.clock.install()
    other = ReadingPage(tab).open(school.alice.path)
    first = alice.first_word_of(2)
    with other.hearing("PROGRESS_SAVED", wordIndex=first):
        alice.turn_to(2)
    tab.bring_to_front()
    tab.clock.run_for(5_000)  # its reader looks at the page
    tab.reload()
    other.is_live()
    assert site.clerk.place(school.alice) == first


def test_my_questions_lists_them_and_leads_back(reads, school, model):
    model.says_for("What is herring?", "A small silver fish.")
    alice = reads(school.alice)
    expect(alice.ask("What is herring?").locator(".answer-text")).to_have_text("A small silver fish.")
    alice.turn_to(2)
    alice.page.get_by_role("button", name=re.compile("My questions")).click()
    row = alice.page.locator("#questions-list .question-row")
    expect(row).to_contain_text("What is herring?")
    row.click()
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "1")
    expect(alice.card("What is herring?").locator(".answer-text")).to_be_visible()


def test_logging_out_closes_the_other_tab_at_the_door(reads, opens, school):
    alice = reads(school.alice)
    books = opens.another_tab(alice.page.context)
    books.goto("/read/")
    with alice.page.expect_navigation(url=re.compile(r"/join/\?next=")):
        books.get_by_role("button", name="Log out").click()
    expect(alice.page.get_by_role("heading", name="Join your class")).to_be_visible()
    assert alice.wires[-1].is_closed()


def test_the_connection_is_always_said(reads, school):
    alice = reads(school.alice)
    alice.is_in_state("live")
    expect(alice.connection).to_have_text("live")
