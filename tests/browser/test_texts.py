"""A text from the teacher's hand to the reader's page: previewed, read as Markdown, and edited under her eyes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import PHONE, ReadingPage, RoomPage

pytestmark = pytest.mark.browser

FILLER = "The pot stood on the stove and nobody looked at it for a while, because there was so much else to do. "
SOUP = f"""# The Book of Soup

A *small* book about **warm things**, and about [patience](https://elsewhere.example/).

## What you need

You need *one big spoon* and someone who waits.

1. Wash the carrots.
2. Cut them.
   - Thick coins take longer.

> Soup is a conversation between a fire and a garden.

{FILLER * 16}

### A warning

Never leave the ladle in the pot. {FILLER * 14}

{FILLER * 8}
"""
BEFORE = "Never leave the ladle"  # where alice reads
PREFACE = "A preface that was not here before. " * 60


def add(page: Page, path: str, text: str) -> None:
    """Bring a text into a class as a Markdown file, going back from the preview once."""
    page.goto(path)
    page.locator("[name=file]").set_input_files({"name": "soup.md", "mimeType": "text/markdown", "buffer": text.encode()})
    page.get_by_role("button", name="See how it will look").click()
    expect(page.locator(".sheet em").first).to_have_text("small")
    expect(page.locator(".facts")).to_contain_text("Markdown")
    page.get_by_role("button", name="Go back and change it").click()
    expect(page.locator("[name=body]")).to_have_value(text)
    expect(page.get_by_label("Markdown", exact=True)).to_be_checked()
    page.get_by_label("Author").fill("Ann Lee")
    page.get_by_role("button", name="See how it will look").click()
    page.get_by_role("button", name="Add it to the class").click()


def edit(page: Page, change) -> None:
    """Edit the teacher's newest text, through the list of texts and the preview."""
    page.goto("/texts/")
    page.get_by_role("link", name="The Book of Soup").click()
    page.get_by_role("link", name="Edit").click()
    page.locator("[name=body]").fill(change(page.locator("[name=body]").input_value()))
    page.get_by_role("button", name="See how it will look").click()
    expect(page.locator(".text-about .message")).to_contain_text("1 student has begun it")
    page.get_by_role("button", name="Save the changes").click()
    expect(page.locator(".messages")).to_contain_text("is changed")


def begin(page: Page) -> ReadingPage:
    """Open the book from the shelf."""
    reading = ReadingPage(page)
    page.goto("/read/")
    page.locator(".book", has_text="The Book of Soup").get_by_role("button").click()
    return reading.is_live()


@pytest.fixture
def desk(opens, school) -> Page:
    """carol's own page, with the book of soup in her class."""
    page = opens(school.carol)
    add(page, f"{school.carol.path}texts/new/", SOUP)
    expect(page.locator("#text-choice")).to_contain_text("The Book of Soup")
    return page


def counted(page: Page) -> list[str]:
    """Return the page's words, having checked that each stands at the number that the server gives it."""
    return page.evaluate("""() => {
        for (const sentence of document.querySelectorAll("#page .sentence")) {
            const first = Number(sentence.dataset.firstWord);
            [...sentence.querySelectorAll(".word")].forEach((word, at) => {
                if (Number(word.dataset.word) !== first + at) throw new Error(`${word.textContent} is miscounted`);
            });
        }
        const words = [...document.querySelectorAll("#page .word")];
        const { firstWord, endWord } = document.getElementById("page").dataset;
        if (words.length !== endWord - firstWord) throw new Error("a word is missing");
        return words.map((word) => word.textContent);
    }""")


def reads_at(reading: ReadingPage, phrase: str) -> None:
    """The topmost sentence in view begins with this phrase."""
    words = counted(reading.page)
    first = int(reading.page.locator("#page").get_attribute("data-first-word"))
    at = reading.topmost() - first
    assert " ".join(words[at:]).startswith(phrase)


def comes_back_to(reading: ReadingPage, phrase: str) -> None:
    """The page that was loaded again is the one with this phrase, knows it as her place and has it in view."""
    words = counted(reading.page)
    place = reading.page.evaluate("JSON.parse(document.getElementById('reading-config').textContent).wordIndex")
    first = int(reading.page.locator("#page").get_attribute("data-first-word"))
    assert " ".join(words[place - first:]).startswith(phrase)
    expect(reading.page.locator(f".word[data-word='{place}']")).to_be_in_viewport()


def go_to_the_warning(reading: ReadingPage) -> None:
    """Turn to the second page and read on at the warning, until the server knows."""
    reading.turn_to(2)
    place = int(reading.word("ladle").get_attribute("data-word")) - 3
    with reading.hearing("PROGRESS_SAVED", wordIndex=place):
        reading.scroll_to(reading.page.evaluate("""() => document.querySelector(".heading").getBoundingClientRect().bottom
            + scrollY - document.querySelector(".reading-header").getBoundingClientRect().height"""))
    reads_at(reading, BEFORE)


@pytest.mark.parametrize("size", [{}, {"size": PHONE}], ids=["desktop", "phone"])
def test_markdown_is_read_with_its_structure_and_asked_about_word_by_word(desk, opens, school, model, size):
    model.says_for("spoon", "One to stir with: “one big spoon” [¶2].")
    alice = begin(opens(school.alice, **size))
    page = alice.page
    assert counted(page)[:12] == "The Book of Soup A small book about warm things, and about".split()
    expect(page.locator("#page em")).to_have_text(["small", "one big spoon"])
    expect(page.locator("#page strong")).to_have_text(["warm things,"])
    expect(page.locator("#page a")).to_have_count(0)
    expect(page.locator("#page ol.list > li")).to_have_text(["Wash the carrots.", "Cut them.", "Thick coins take longer."])
    expect(page.locator("#page blockquote .paragraph")).to_contain_text("conversation")
    expect(page.get_by_role("heading", name="What you need")).to_be_visible()
    expect(page.locator(".author")).to_have_text("Ann Lee")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    alice.word("spoon").click()
    expect(page.locator("#in-hand-sentence")).to_have_text("You need one big spoon and someone who waits.")
    page.locator("#in-hand").get_by_role("button", name="Ask about this").click()
    expect(page.locator(".interruption")).to_contain_text("¶2")
    expect(page.locator(".citation")).to_be_visible()
    assert alice.cited() == "one big spoon"
    expect(page.locator("#page em .word.cited")).to_have_count(3)  # lit within their emphasis


def test_an_edit_brings_the_reader_back_to_her_words(desk, opens, school):
    alice = begin(opens(school.alice))
    go_to_the_warning(alice)
    edit(desk, lambda text: text.replace("## What you need", f"{PREFACE}\n\n{PREFACE}\n\n## What you need"))
    expect(alice.notices).to_contain_text("Your teacher has changed this text. You are where you were.")
    alice.is_live()
    expect(alice.page.locator("#page")).to_have_attribute("data-revision", "2")
    assert int(alice.page.locator("#page").get_attribute("data-page")) > 2
    comes_back_to(alice, BEFORE)
    expect(alice.page.locator("#ask")).to_be_hidden()
    alice.page.reload()
    alice.is_live()
    expect(alice.notices).to_be_empty()


def test_a_question_half_written_stays_in_its_box(desk, opens, school, model):
    model.says_for("ladle", "It would grow hot.")
    alice = begin(opens(school.alice))
    go_to_the_warning(alice)
    alice.page.keyboard.press("q")
    alice.box.fill("Why not leave the ladle")
    edit(desk, lambda text: PREFACE + "\n\n" + text)
    expect(alice.notices).to_contain_text("Your question is still here")
    expect(alice.box).to_have_value("Why not leave the ladle")
    expect(alice.box).to_be_focused()
    alice.box.press("Enter")
    expect(alice.card("Why not leave the ladle").locator(".answer-text")).to_have_text("It would grow hot.")


def test_a_question_asked_of_the_old_text_comes_back_to_be_asked_again(desk, opens, school, line, model, site):
    model.says_for("ladle", "It would grow hot.")
    alice = begin(opens(school.alice, line=line))
    go_to_the_warning(alice)
    alice.page.context.set_offline(True)
    line.cut()
    alice.is_in_state("offline")
    alice.ask("Why not leave the ladle in it?")
    edit(desk, lambda text: text.replace("## What you need", f"{PREFACE}\n\n## What you need"))
    line.mend()
    alice.page.context.set_offline(False)
    expect(alice.notices).to_contain_text("Your question is still here")
    expect(alice.page.locator("#page")).to_have_attribute("data-revision", "2")
    expect(alice.box).to_have_value("Why not leave the ladle in it?")
    expect(alice.page.locator(".interruption")).to_have_count(0)
    alice.is_live()
    comes_back_to(alice, BEFORE)
    expect(alice.box).to_be_focused()
    alice.box.press("Enter")
    expect(alice.card("Why not leave the ladle in it?").locator(".answer-text")).to_have_text("It would grow hot.")
    assert model.count("Why not leave the ladle in it?") == 1


def test_the_room_shows_the_new_words_without_being_loaded_again(desk, opens, teaches, school, model):
    model.says_for("spoon", "One to stir with.")
    room: RoomPage = teaches(school.carol)
    room.page.evaluate("window.isSame = true")
    room.page.locator("#text-choice").select_option(label="The Book of Soup")
    expect(room.page.locator("#paragraphs .paragraph").first).to_contain_text("A small book")
    alice = begin(opens(school.alice))
    alice.word("spoon").click()
    alice.page.locator("#in-hand").get_by_role("button", name="Ask about this").click()
    expect(room.question("spoon")).to_contain_text("¶2")
    edit(desk, lambda text: re.sub(r"^(# .*)$", r"\1\n\nAn older preface.", text, count=1, flags=re.M))
    expect(room.page.locator("#paragraphs .paragraph").first).to_contain_text("An older preface")
    expect(room.question("spoon")).to_contain_text("¶3")
    expect(room.student("alice")).to_contain_text(re.compile(r"p\. 1 of \d"))
    assert room.page.evaluate("window.isSame")
