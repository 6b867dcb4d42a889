"""The teacher's words and pointings on the reading page: seen beside an answer, put away for good, asked again."""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE

pytestmark = pytest.mark.browser

TOUCH = {"size": PHONE, "has_touch": True, "is_mobile": True}


def focus_on(carol, paragraph: int) -> None:
    row = carol.page.locator(f".paragraph[data-paragraph='{paragraph}']")
    row.hover()
    row.get_by_role("button", name="Focus the class here").click()


def test_her_words_are_seen_beside_an_open_answer_on_a_phone(reads, teaches, school, model):
    model.says_for("pangram", "It has every letter: “contains every letter of the alphabet” [¶12].")
    carol, alice = teaches(school.carol), reads(school.alice, **TOUCH)
    alice.turn_to(2)
    alice.word("pangram").tap()
    alice.page.locator("#in-hand").get_by_role("button", name="Ask about this").tap()
    expect(alice.page.locator(".interruption .citation")).to_be_visible()
    carol.say("Five more minutes")
    expect(alice.notices).to_contain_text("Five more minutes")
    expect(alice.notices.get_by_text("Five more minutes")).to_be_in_viewport()
    # Between the note above and the answer below there is still text to read.
    note, sheet = alice.notices.bounding_box(), alice.page.locator("#margin").bounding_box()
    assert sheet["y"] - (note["y"] + note["height"]) > 200
    alice.notices.get_by_role("button", name="Put this note away").tap()
    expect(alice.notices).to_be_empty()


def test_a_place_put_away_stays_away_until_she_points_again(reads, teaches, school):
    carol, alice = teaches(school.carol), reads(school.alice)
    focus_on(carol, 3)
    expect(alice.notices).to_contain_text("look here")
    alice.notices.get_by_role("button", name="Put this note away").click()
    alice.page.reload()
    alice.is_live()
    expect(alice.page.get_by_role("button", name="Notes", exact=True)).to_be_visible()  # the snapshot is shown
    expect(alice.notices).to_be_empty()
    focus_on(carol, 3)
    expect(alice.notices).to_contain_text("look here")
    alice.page.reload()
    alice.is_live()
    expect(alice.notices).to_contain_text("look here")
    focus_on(carol, 4)
    expect(alice.notices.locator(".notice")).to_have_count(1)
    expect(alice.notices).to_contain_text("paragraph 4")
