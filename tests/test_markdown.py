"""Markdown keeps its structure: headings by level, lists, quotations, emphasis word by word; nothing else gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classrooms.importing import UnreadableText, import_text, split_sentences, words
from classrooms.models import Passage
from classrooms.pages import blocks_of
from classrooms.services.texts import passages_of

SOUP = """# The Book of Soup

*by Ann Lee*

A *small* book about **warm** things.

## What you need

You need **one big
spoon**, and un*believ*able ***patience***.

1. Wash the carrots.
2. Cut them.
   - Thick coins take *longer*.

   Mind your fingers.
7. Eat.

> Soup is a conversation.
>
> It takes as long as it takes.

### A warning

Never leave the pot alone.

## What happens

    The pot
    sings.
"""


def imported(raw: str):
    return import_text(raw, format="markdown")


def lines(raw: str) -> list[tuple]:
    return [(passage.kind, passage.text) for passage in imported(raw).passages]


def test_headings_lists_quotations_and_paragraphs_are_kept():
    text = imported(SOUP)
    assert (text.title, text.author, text.chapter_count) == ("The Book of Soup", "Ann Lee", 2)
    assert [(passage.kind, passage.text, passage.level, passage.ordinal) for passage in text.passages] == [
        ("heading", "The Book of Soup", 1, 0),
        ("paragraph", "A small book about warm things.", 0, 0),
        ("heading", "What you need", 1, 0),
        ("paragraph", "You need one big spoon, and unbelievable patience.", 0, 0),
        ("item", "Wash the carrots.", 1, 1),
        ("item", "Cut them.", 1, 2),
        ("item", "Thick coins take longer.", 2, 0),
        ("paragraph", "Mind your fingers.", 0, 0),
        ("item", "Eat.", 1, 7),
        ("quote", "Soup is a conversation.", 1, 0),
        ("quote", "It takes as long as it takes.", 1, 0),
        ("heading", "A warning", 2, 0),
        ("paragraph", "Never leave the pot alone.", 0, 0),
        ("heading", "What happens", 1, 0),
        ("paragraph", "The pot sings.", 0, 0)]
    numbers = [passage.number for passage in text.passages if passage.kind != "heading"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {passage.number for passage in text.passages if passage.kind == "heading"} == {0}
    assert [passage.chapter for passage in text.passages if passage.kind == "heading"] == [0, 1, 1, 2]


def test_emphasis_marks_whole_words():
    marks = {passage.text: list(passage.marks) for passage in imported(SOUP).passages if passage.marks}
    assert marks == {
        "A small book about warm things.": [(1, 1, "em"), (4, 4, "strong")],
        "You need one big spoon, and unbelievable patience.": [(2, 4, "strong"), (6, 7, "em"), (7, 7, "strong")],
        "Thick coins take longer.": [(3, 3, "em")]}


@pytest.mark.parametrize(("raw", "shown"), [
    ("See [the map](https://elsewhere.example/x) now.", "See the map now."),
    ("See [the map][1] now.\n\n[1]: https://elsewhere.example/x 'title'", "See the map now."),
    ("A hen ![of clay](https://elsewhere.example/hen.png) stood.", "A hen stood."),
    ("He wrote <b>bold</b> & <script>alert(1)</script>.", "He wrote <b>bold</b> & <script>alert(1)</script>."),
    ("<div onclick='x()'>\nA hen\n</div>", "<div onclick='x()'> A hen </div>"),
    ("Two &lt;tags&gt; &amp; one\u200b word&#8203;s.", "Two <tags> & one words."),
    ("One `x = 1` two.", "One x = 1 two."),
    ("A hen\\\nstood  \nthere.", "A hen stood there."),
    ("2 \\* 3 * 4 and snake_case_word", "2 * 3 * 4 and snake_case_word"),
])
def test_what_is_no_structure_becomes_plain_words(raw, shown):
    assert lines(raw) == [("paragraph", shown)]


def test_rules_and_empty_items_leave_nothing():
    assert lines("A hen.\n\n* * *\n\n-\n- one\n\n---\n\n#\n\nA duck.") == [
        ("paragraph", "A hen."), ("item", "one"), ("paragraph", "A duck.")]


def test_front_matter_gives_title_and_author():
    text = imported('---\ntitle: "The Hen"\nlayout: post\ntags:\n  - birds\nAuthor: Ann Lee\n---\n\nA hen stood.\n')
    assert (text.title, text.author, [passage.text for passage in text.passages]) == ("The Hen", "Ann Lee", ["A hen stood."])
    assert lines("---\n\nA hen stood.") == [("paragraph", "A hen stood.")]


def test_a_first_chapter_is_not_the_title():
    assert imported("# Chapter 1\n\nA hen.\n\n# Chapter 2\n\nA duck.").title == ""
    assert imported("# Hens\n\nA hen.\n\n# Ducks\n\nA duck.").title == "Hens"


def test_sections_share_a_page_until_it_is_half_full():
    section = "## Part\n\n" + "One two three four five six seven eight nine ten.\n\n" * 12
    pages = [passage.page for passage in imported(section * 4).passages if passage.kind == "heading"]
    assert pages == [1, 1, 2, 2]


def test_a_long_item_goes_on_as_paragraphs_with_its_marks():
    raw = "3. " + "One two three four five. " * 150 + "**The end.**"
    first, *rest = imported(raw).passages
    assert (first.kind, first.ordinal, {passage.kind for passage in rest}) == ("item", 3, {"paragraph"})
    assert [list(passage.marks) for passage in rest][-1] == [(rest[-1].word_count - 2, rest[-1].word_count - 1, "strong")]
    assert not first.marks


@pytest.mark.parametrize("raw", ["", " \n\n", "***", "![only](a.png)", "[a]: b", "# \n\n> \n"])
def test_nothing_to_read_is_refused(raw):
    with pytest.raises(UnreadableText):
        imported(raw)


def test_a_paragraph_of_nothing_but_signs_is_shown_as_it_stands():
    raw = "*a **a " * 2_000 + "b" + " a** a*" * 2_000  # matched sign by sign this takes minutes
    assert imported(raw).passages[0].text.startswith("*a **a *a")


@given(st.lists(st.sampled_from([
    "word", "other", "*", "**", "_", "`", "[", "](x)", "# ", "- ", "1. ", "> ", "\n", "\n\n", "    ", "<b>", "&amp;",
    "\u00ad",
    "\u200d", "!", ".", "e\u0301", "---", "\\", "~~~\n", " ", "\ufeff"]), max_size=60).map("".join))
def test_words_pages_and_marks_hold_together_for_any_markdown(raw):
    try:
        text = imported(raw)
    except UnreadableText:
        return
    at = 0
    for passage in text.passages:
        tokens = words(passage.text)
        assert (passage.first_word, passage.word_count) == (at, len(tokens)) and " ".join(tokens) == passage.text
        assert (passage.number == 0) == (passage.kind == "heading")
        assert all(0 <= first <= last < len(tokens) for first, last, _ in passage.marks)
        at += len(tokens)
    shown = [passage for block in blocks_of(passages_of(text)) for passage in block["passages"]]
    for passage, drawn in zip(text.passages, shown, strict=True):
        sentences = split_sentences(passage.text)
        assert [" ".join(run["text"] for run in sentence["runs"]) for sentence in drawn["sentences"]] == [
            sentence.text for sentence in sentences]
        for mark in ("em", "strong"):
            marked = [flag for sentence in drawn["sentences"] for run in sentence["runs"]
                      for flag in [run[mark]] * len(words(run["text"]))]
            assert marked == [any(first <= at <= last for first, last, kind in passage.marks if kind == mark)
                              for at in range(len(marked))]


def test_a_page_groups_lists_and_quotations_and_steps_down_one_heading_at_a_time():
    blocks = blocks_of([*passages_of(imported(SOUP)), Passage(kind="heading", level=5, body="Deep", number=0, first_word=0)])
    assert [(block["tag"], len(block["passages"])) for block in blocks] == [
        ("h2", 1), ("p", 1), ("h2", 1), ("p", 1), ("ol", 3), ("p", 1), ("ol", 1), ("blockquote", 2), ("h3", 1), ("p", 1),
        ("h2", 1), ("p", 1), ("h3", 1)]
    deep = Passage(kind="heading", level=3, body="A page may begin deep", number=0, first_word=9)
    assert blocks_of([deep])[0]["tag"] == "h2"
