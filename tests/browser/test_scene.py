"""The scene that the product is for, played from end to end in two browsers.

carol opens the demo class; alice joins it on a phone, reads, asks about a word and gets her answer with the lines it
comes from; carol sees it live and speaks to all; alice's network goes away and comes back.

`make scene` plays it with SCENE_SCREENSHOTS, the folder for its pictures, and SCENE_OFFLINE, the seconds that the
network stays away. Without them nothing is written and nothing waited for.
"""

import os
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, ReadingPage, RoomPage

pytestmark = pytest.mark.browser

ASKED = "What is a pangram?"
PIECES = ("A pangram is a sentence that uses every letter. ", "The card says that it ",
          "“contains every letter of the alphabet” [¶12].")
SAID = "Look at paragraph three"
# A small desktop, so that its pictures stay under 150 KB.
DESK = {"width": 1040, "height": 650}


@pytest.fixture
def picture():
    """Return a function that keeps a picture of a page under a stable name, where pictures are wanted."""
    folder = os.environ.get("SCENE_SCREENSHOTS")

    def take(page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.mouse.move(0, 0)
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled", caret="hide")
    return take


def test_a_question_from_the_tap_to_the_answer_and_through_a_cut(opens, site, model, line, picture):
    model.says_for(ASKED, *PIECES)
    teacher, student = site.clerk.demo["teacher"], site.clerk.demo["students"][0]

    # carol opens the class.
    page = opens(size=DESK)
    page.goto("/")
    picture(page, "landing")
    page.goto("/login/")
    page.get_by_label("User name").fill(teacher["username"])
    page.get_by_label("Password").fill(teacher["password"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="7B").click()
    carol = RoomPage(page).is_live()
    page.get_by_label("Which text").select_option("The Lighthouse Keeper")
    expect(carol.student("alice").locator(".student-status")).to_have_text("not started")

    # alice joins by code on a phone.
    phone = opens(size=PHONE, line=line, has_touch=True, is_mobile=True)
    phone.goto("/join/")
    phone.get_by_label("Class code").fill(student["code"].lower())
    phone.get_by_role("button", name="Go on").tap()
    phone.get_by_label("Nickname").fill(student["nickname"])
    picture(phone, "student-joining")
    phone.get_by_role("button", name="Go on").tap()
    phone.get_by_label("PIN").fill(student["pin"])
    phone.get_by_role("button", name="Start reading").tap()
    alice = ReadingPage(phone)
    book = phone.locator(".book", has_text="The Lighthouse Keeper")
    expect(book).to_be_visible()
    picture(phone, "student-books")
    book.get_by_role("button", name="Start reading").tap()
    alice.is_live()
    expect(carol.student("alice").locator(".student-status")).to_have_text("reading")

    # She reads two pages and taps a word.
    with alice.hearing("PROGRESS_SAVED"):
        phone.get_by_role("button", name="page 2").tap()
    expect(carol.student("alice").locator(".student-place")).to_contain_text("p. 2")
    alice.word("pangram").tap()
    expect(phone.locator("#in-hand-words")).to_have_text("pangram")
    picture(phone, "student-word")
    phone.get_by_role("button", name="Ask something else").tap()
    alice.box.fill(ASKED)

    # It is acknowledged, and the answer streams to both.
    model.holds(ASKED)
    with alice.hearing("INTERRUPTION_ACKNOWLEDGED", questionText=ASKED):
        phone.locator("#ask button[type=submit]").tap()
    card, question = alice.card(ASKED), carol.question(ASKED).first
    expect(card.locator(".answer-text")).to_have_text(PIECES[0].strip())
    expect(question.locator(".interruption-answer")).to_have_text(PIECES[0].strip())
    expect(carol.student("alice").locator(".student-status")).to_have_text("asking")
    picture(phone, "student-streaming")
    model.releases()
    expect(card.locator(".answer-text")).to_have_text("".join(PIECES))
    expect(card.locator(".citation")).to_contain_text("contains every letter of the alphabet")
    assert alice.cited() == "contains every letter of the alphabet."
    expect(question.locator(".interruption-answer")).to_have_text("".join(PIECES))
    expect(question).to_contain_text("alice")
    picture(phone, "student-answer")
    page.locator(".paragraph[data-paragraph='12']").scroll_into_view_if_needed()
    picture(page, "teacher-room")

    # carol speaks to all; alice reads it once she has put her answer away.
    carol.say(SAID)
    picture(page, "teacher-say")
    with alice.hearing("RESUME_AUDIO"):
        card.get_by_role("button", name="Got it").tap()
    expect(alice.notices).to_contain_text(SAID)
    expect(alice.notices).to_be_visible()
    picture(phone, "student-note")
    alice.notices.get_by_role("button", name="Put this note away").tap()

    # Her network drops; she opens her answer again; she comes back to the same word with the same answer.
    mark = phone.get_by_role("button", name="1 question at paragraph 12")
    place = site.clerk.demo_place("alice")
    phone.context.set_offline(True)
    line.cut()
    alice.is_in_state("offline")
    mark.tap()
    expect(card.locator(".answer-text")).to_be_visible()
    before = phone.evaluate("scrollY")
    picture(phone, "student-offline")
    threading.Event().wait(float(os.environ.get("SCENE_OFFLINE", "0")))
    line.mend()
    phone.context.set_offline(False)
    alice.is_live()
    expect(alice.card(ASKED)).to_have_count(1)
    expect(card.locator(".answer-text")).to_have_text("".join(PIECES))
    assert phone.evaluate("scrollY") == before
    assert site.clerk.demo_place("alice") == place
    phone.reload()
    alice.is_live()
    expect(phone.locator("#page")).to_have_attribute("data-page", "2")
    expect(alice.word("pangram")).to_be_in_viewport()
    assert site.clerk.demo_place("alice") == place
    mark.tap()
    expect(alice.card(ASKED)).to_have_count(1)
    expect(card.locator(".answer-text")).to_have_text("".join(PIECES))
    assert model.count(ASKED) == 1
