"""Asking in a real browser: every way to begin, the wait, the stream, the answer beside its paragraph."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, ReadingPage

pytestmark = pytest.mark.browser

ASKED = "What is a pangram?"
PIECES = ("A pangram has every letter: ", "“contains every letter of the alphabet” [¶12].")
QUOTED = "contains every letter of the alphabet."


@pytest.fixture
def alice(reads, school):
    """alice on page 2, where the pangram is."""
    alice = reads(school.alice)
    alice.turn_to(2)
    return alice


def test_a_question_by_key_is_acknowledged_streamed_and_cited(alice, model, school, site):
    model.says_for(ASKED, *PIECES)
    model.holds(ASKED)
    with alice.hearing("INTERRUPTION_ACKNOWLEDGED", questionText=ASKED):
        card = alice.ask(ASKED)
    assert [row["question"] for row in site.clerk.questions(school.alice)] == [ASKED]
    expect(card.locator(".answer-text")).to_have_text(PIECES[0].strip())
    expect(card).to_have_attribute("data-state", "answering")
    expect(card.locator(".answer")).to_have_attribute("aria-busy", "true")
    assert alice.cited() == ""
    model.releases()
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".answer-text")).to_have_text("".join(PIECES))
    expect(card.locator(".provider")).to_have_text("AI tutor")
    expect(card.locator(".citation")).to_have_text(re.compile("contains every letter of the alphabet.*¶12"))
    assert alice.cited() == QUOTED
    box = alice.page.locator("#p12").bounding_box()
    assert abs(card.bounding_box()["y"] - box["y"]) < 120  # beside its paragraph
    assert card.bounding_box()["x"] >= box["x"] + box["width"]


def test_a_question_by_button_waits_in_words(alice, model):
    model.says_for("by button", "Soon.")
    model.behaves("silent", question="by button", times=1)
    alice.page.get_by_role("button", name="Ask", exact=True).first.click()
    expect(alice.box).to_be_focused()
    alice.box.fill("asked by button")
    alice.page.locator("#ask button[type=submit]").click()
    card = alice.card("asked by button")
    expect(card.locator(".waiting")).to_contain_text("asked, safely kept")
    expect(alice.page.locator("#ask")).to_be_hidden()


def test_a_tapped_word_asks_about_itself(reads, school, model):
    asked = "What does “pangram” mean?"
    model.says_for(asked, "It has every letter.")
    alice = reads(school.alice, size=PHONE, has_touch=True, is_mobile=True)
    alice.turn_to(2)
    alice.word("pangram").tap()
    in_hand = alice.page.locator("#in-hand")
    expect(in_hand.locator("#in-hand-words")).to_have_text("pangram")
    expect(in_hand.locator("#in-hand-sentence")).to_have_text(
        "This pangram contains every letter of the alphabet.")
    in_hand.get_by_role("button", name="Ask about this").click()
    card = alice.card(asked)
    expect(card.locator(".answer-text")).to_have_text("It has every letter.")
    model_saw = model.requests[-1].user_message
    assert "pangram" in model_saw
    # The sheet at the foot leaves the paragraph in question in view.
    word, sheet = alice.word("pangram").bounding_box(), alice.page.locator("#margin").bounding_box()
    assert 0 < word["y"] and word["y"] + word["height"] <= sheet["y"]


@pytest.mark.parametrize("way", ["caretPositionFromPoint", "caretRangeFromPoint"])
def test_a_tap_before_the_scripts_are_there_is_kept(opens, school, model, way):
    """On a slow tablet: the sentence shows at once that it was tapped, and the word is in hand when the tools come."""
    asked = "What does “pangram” mean?"
    model.says_for(asked, "It has every letter.")
    page = opens(school.alice, size=PHONE, has_touch=True, is_mobile=True)
    other = "caretRangeFromPoint" if way == "caretPositionFromPoint" else "caretPositionFromPoint"
    page.add_init_script(f"document.{other} = undefined")
    held = []
    page.route("**/js/reader.js", lambda route: held.append(route))
    page.goto(f"{school.alice.path}page/2/", wait_until="commit")
    expect(page.locator("#p12")).to_be_visible()
    tap_word(page, "lazy")
    tap_word(page, "pangram")
    tapped = page.locator(".sentence.tapped")
    expect(tapped).to_have_text("This pangram contains every letter of the alphabet.")
    expect(page.locator("#in-hand")).to_be_hidden()
    held.pop().continue_()
    expect(page.locator("#in-hand-words")).to_have_text("pangram")
    expect(tapped).to_have_count(0)
    page.get_by_role("button", name="Ask about this").click()
    expect(ReadingPage(page).card(asked).locator(".answer-text")).to_have_text("It has every letter.")


def tap_word(page, word: str) -> None:
    """Tap in the middle of a word of a page whose words have no elements yet."""
    x, y = page.evaluate("""(word) => {
        const walker = document.createTreeWalker(document.getElementById("page"), NodeFilter.SHOW_TEXT);
        while (walker.nextNode() && !walker.currentNode.data.includes(word));
        const range = document.createRange();
        const at = walker.currentNode.data.indexOf(word);
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + word.length);
        range.startContainer.parentElement.scrollIntoView({ block: "center", behavior: "instant" });
        const box = range.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];
    }""", word)
    page.touchscreen.tap(x, y)


def test_a_tap_before_the_page_is_live_asks_and_the_question_is_kept(opens, school, model, site):
    asked = "What does “pangram” mean?"
    model.says_for(asked, "It has every letter.")
    page = opens(school.alice)
    page.add_init_script("""(() => {
        const held = [];
        let hear = (event) => held.push(event);
        window.WebSocket = class extends WebSocket {
            set onmessage(handler) {
                super.onmessage = (event) => hear(event, handler);
                window.letThrough = () => {
                    hear = (event, handler) => handler?.(event);
                    held.forEach((event) => handler(event));
                };
            }
        };
    })()""")
    alice = ReadingPage(page)
    page.goto(f"{school.alice.path}page/2/")
    alice.is_in_state("connecting")
    alice.word("pangram").click()
    page.get_by_role("button", name="Ask about this").click()
    card = alice.card(asked)
    expect(card.locator(".waiting")).not_to_be_empty()
    assert site.clerk.questions(school.alice) == []
    page.evaluate("letThrough()")
    alice.is_live()
    expect(card.locator(".answer-text")).to_have_text("It has every letter.")
    expect(page.locator(".interruption")).to_have_count(1)


def test_a_selected_passage_is_what_the_question_is_about(alice, model):
    model.says_for("so quiet", "He saves up his words.")
    alice.page.evaluate("""() => {
        const words = document.querySelectorAll("#p12 .word");
        getSelection().setBaseAndExtent(words[1].firstChild, 0, words[3].firstChild, 3);
    }""")
    alice.page.get_by_role("button", name="Ask about this passage").click()
    expect(alice.page.locator("#ask-about")).to_have_text("¶12 “quick brown fox”")
    alice.box.fill("Why so quiet?")
    alice.box.press("Enter")
    expect(alice.card("Why so quiet?").locator(".answer-text")).to_have_text("He saves up his words.")
    assert "quick brown fox" in model.requests[-1].user_message


def test_a_question_taken_back_leaves_the_page(alice, model, school, site):
    model.says_for("Never", "First, ", "then.")
    model.holds("Never")
    card = alice.ask("Never mind this?")
    expect(card.locator(".answer-text")).to_have_text("First,")
    with alice.hearing("INTERRUPTION_ERROR", errorCode="cancelled"):
        card.get_by_role("button", name="Never mind", exact=True).click()
    expect(card).to_have_count(0)
    assert [row["state"] for row in site.clerk.questions(school.alice)] == ["cancelled"]


def test_a_reload_in_mid_answer_doubles_nothing(alice, model, school, site):
    model.says_for("half", "The first half ", "and the second 🦊.")
    model.holds("half")
    card = alice.ask("And half of it?")
    expect(card.locator(".answer-text")).to_have_text("The first half")
    alice.page.reload()
    alice.is_live()
    expect(alice.page.locator(".interruption")).to_have_count(1)
    card = alice.card("And half of it?")
    expect(card).to_have_attribute("data-state", "answering")
    model.releases()
    expect(card).to_have_attribute("data-state", "answered")
    card.get_by_role("button", name="And half of it?").click()
    expect(card.locator(".answer-text")).to_have_text("The first half and the second 🦊.")
    assert model.count("And half of it?") == 1
    assert len(site.clerk.questions(school.alice)) == 1


def test_html_in_a_reply_is_shown_as_text(alice, model):
    reply = ('<img src="http://elsewhere.example/x.png" onerror="document.title=1"> <script>alert(1)</script> '
             "[here](javascript:alert(1)) ![x](http://elsewhere.example/y.png) <b>bold</b>")
    model.says_for("Be bold", reply)
    card = alice.ask("Be bold?")
    expect(card).to_have_attribute("data-state", "answered")
    answer = card.locator(".answer-text")
    assert answer.evaluate("answer => answer.textContent") == reply
    assert answer.evaluate("answer => answer.childElementCount") == 0
    assert "The Lighthouse Keeper" in alice.page.title()


def test_a_failure_offers_the_helper_and_another_try(alice, model):
    model.behaves("400", question="Fails once", times=1)
    model.says_for("Fails once", "Now it works.")
    card = alice.ask("Fails once, what is a pangram?")
    expect(card).to_have_attribute("data-state", "failed")
    expect(card.locator(".problem")).not_to_be_empty()
    expect(card.locator(".provider")).to_have_text("Passage helper, not AI")
    card.get_by_role("button", name="Ask again").click()
    answered = alice.page.locator(".interruption[data-state=answered]")
    expect(answered.locator(".answer-text")).to_have_text("Now it works.")


def test_a_long_question_says_so_and_is_not_lost(alice):
    alice.page.keyboard.press("q")
    alice.box.fill("x" * 2_001)
    alice.box.press("Enter")
    expect(alice.page.locator("#ask-left")).to_have_text("1 character too many")
    expect(alice.box).to_have_attribute("aria-invalid", "true")
    expect(alice.page.locator(".interruption")).to_have_count(0)
    alice.box.fill("half written")
    alice.page.reload()
    alice.is_live()
    alice.page.keyboard.press("q")
    expect(alice.box).to_have_value("half written")


def test_the_open_card_is_in_view_wherever_its_paragraph_begins(reads, school, model):
    model.says_for("deep", "An answer.")
    # A low window, and a reader who stands in a paragraph that begins above it.
    alice = reads(school.alice, size={"width": 1280, "height": 420}, reduced_motion="reduce")
    last = alice.page.locator("#p7 .sentence").last
    with alice.hearing("PROGRESS_SAVED"):
        alice.scroll_to(last.evaluate("sentence => sentence.getBoundingClientRect().top + scrollY - 60"))
    header = alice.page.locator(".reading-header").evaluate("header => header.getBoundingClientRect().bottom")
    assert alice.page.locator("#p7").bounding_box()["y"] < header
    card = alice.ask("How deep?")
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".place")).to_have_text("¶7")
    alice.page.wait_for_function("""([card, header]) => {
        const { top } = card.getBoundingClientRect();
        return header <= top && top < innerHeight - 100;
    }""", arg=[card.element_handle(), header])
