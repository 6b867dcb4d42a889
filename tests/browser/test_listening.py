"""Reading aloud, with a voice that the test speaks for: Chromium on a server has none of its own."""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import ReadingPage

pytestmark = pytest.mark.browser

# Stands in for speechSynthesis. `voice.says(n)` reaches the n-th word of the sentence, `voice.ends()` its end.
VOICE = """(() => {
  const voice = { spoken: [], now: null };
  voice.says = (n) => voice.now.onboundary({
    name: "word", charIndex: voice.now.text.split(" ").slice(0, n).join(" ").length + (n ? 1 : 0) });
  voice.ends = () => { const ended = voice.now; voice.now = null; ended.onend({}); };
  class Utterance { constructor(text) { this.text = text; } }
  const synthesis = {
    getVoices: () => [{ name: "Test", lang: "en-GB" }],
    speak: (utterance) => { voice.now = utterance; voice.spoken.push(utterance.text); },
    cancel: () => { voice.now = null; },
    addEventListener() {},
  };
  Object.defineProperty(window, "speechSynthesis", { value: synthesis });
  Object.defineProperty(window, "SpeechSynthesisUtterance", { value: Utterance });
  window.voice = voice;
})()"""


@pytest.fixture
def alice(opens, school):
    """alice on page 2, with the voice reading its first sentence."""
    page = opens(school.alice)
    page.add_init_script(VOICE)
    alice = ReadingPage(page).open(school.alice.path)
    alice.turn_to(2)
    page.keyboard.press("l")
    page.wait_for_function("voice.now")
    return alice


def spoken(alice) -> str:
    """Return what the voice was given last."""
    return alice.page.evaluate("voice.spoken.at(-1)")


def test_the_sentence_and_the_word_are_marked_as_they_are_said(alice):
    sentence, word = alice.page.locator(".sentence.spoken"), alice.page.locator(".word.spoken-word")
    assert spoken(alice) == "The quick brown fox jumps over the lazy dog."
    expect(sentence).to_have_text("The quick brown fox jumps over the lazy dog.")
    expect(word).to_have_count(0)  # some voices never tell their words: the sentence alone is marked then
    alice.page.evaluate("voice.says(3)")
    expect(word).to_have_text("fox")
    alice.page.evaluate("voice.ends()")
    expect(sentence).to_have_text("This pangram contains every letter of the alphabet.")
    alice.page.keyboard.press("l")
    expect(sentence).to_have_count(0)
    assert alice.page.evaluate("voice.now") is None


def test_a_question_holds_the_voice_and_it_resumes_at_the_word(alice, model, school, site):
    model.says_for("lazy", "Dogs are.")
    with alice.hearing("PROGRESS_SAVED"):
        alice.page.evaluate("voice.says(3)")
    alice.page.keyboard.press("q")
    assert alice.page.evaluate("voice.now") is None
    alice.box.fill("Who is lazy?")
    alice.box.press("Enter")
    card = alice.card("Who is lazy?")
    expect(card.locator(".answer-text")).to_have_text("Dogs are.")
    assert alice.page.evaluate("voice.now") is None
    with alice.hearing("RESUME_AUDIO"):
        card.get_by_role("button", name="Got it").click()
    alice.page.wait_for_function("voice.now")
    assert spoken(alice) == "fox jumps over the lazy dog."
    fox = int(alice.word("fox").get_attribute("data-word"))
    assert site.clerk.place(school.alice) == fox


def test_a_question_not_asked_after_all_lets_it_go_on(alice):
    alice.page.evaluate("voice.says(4)")
    alice.page.keyboard.press("q")
    alice.page.keyboard.press("Escape")
    alice.page.wait_for_function("voice.now")
    assert spoken(alice) == "jumps over the lazy dog."


def test_the_voice_turns_the_page(alice):
    page = alice.page
    last = page.locator("#page .sentence").last.inner_text()
    sentences = page.locator("#page .sentence").count()
    for number in range(1, sentences):
        page.evaluate("voice.ends()")
        page.wait_for_function(f"voice.spoken.length > {number}")
    assert spoken(alice) == last
    page.evaluate("voice.ends()")
    expect(page.locator("#page")).to_have_attribute("data-page", "3")
    page.wait_for_function("voice.now")
    expect(page.locator("#page .sentence").first).to_have_class("sentence spoken")


def test_a_pause_of_the_class_stops_the_voice(alice, teaches, school):
    carol = teaches(school.carol)
    carol.page.keyboard.press("p")
    expect(alice.page.locator("#paused-notice")).to_be_visible()
    assert alice.page.evaluate("voice.now") is None
    alice.page.keyboard.press("l")
    assert alice.page.evaluate("voice.now") is None


def test_without_a_voice_there_is_no_button(opens, school):
    page = opens(school.alice)
    page.add_init_script(VOICE.replace('[{ name: "Test", lang: "en-GB" }]', "[]"))
    ReadingPage(page).open(school.alice.path)
    expect(page.locator("#comfort-button")).to_be_visible()
    expect(page.locator("#listen-button")).to_be_hidden()
    page.keyboard.press("l")
    assert page.evaluate("voice.spoken.length") == 0
