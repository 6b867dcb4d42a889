"""Plain text in, passages out: layout, chapters, pages.

The books here are written for the tests.
"""

import time
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classrooms import importing
from classrooms.importing import ImportedText, UnreadableText, import_text, split_sentences, words

BOOK = """\ufeffThe Project Gutenberg eBook of The Tin Whistle, by Maud Farrow

This eBook is for the use of anyone anywhere at no cost.

Title: The Tin Whistle
       and Other Tunes

Author: Maud Farrow

*** START OF {the} PROJECT GUTENBERG EBOOK THE TIN WHISTLE
AND OTHER TUNES ***

Produced by some volunteers

THE TIN WHISTLE

by Maud Farrow

SECOND EDITION

CONTENTS

CHAPTER I. The Shop
CHAPTER II. The _Second_ Shop
CHAPTER III. Home

[Illustration: The shop, with a
cat in the window]

CHAPTER I. The Shop

Mr. Penn kept a shop in _Cane Street_, where he sold
whistles, kites and
string.

  *    *    *    *

    "Blow it low,
      Blow it high,
    Blow it till
      The cows reply."

CHAPTER II. The _Second_ Shop

It was shut.

CHAPTER III. Home

They walked home.

THE END

{end}
Updated editions will replace the previous one.
"""


def long_paragraph(count: int, *, sentence: int = 12) -> str:
    plain = " ".join(["word"] * (sentence - 2))
    return " ".join(f"The {plain} stop." for _ in range(count // sentence))


def kinds(text: ImportedText) -> list[tuple[str, str]]:
    return [(passage.kind[0], passage.text) for passage in text.passages]


def chapters(text: ImportedText) -> list[str]:
    """Return the heading that opens each chapter."""
    opening = {}
    for passage in text.passages:
        if passage.chapter and passage.kind == "heading":
            opening.setdefault(passage.chapter, passage.text)
    return list(opening.values())


def check_promises(text: ImportedText) -> None:
    """Assert what every importer of texts relies on."""
    place = 0
    number = 0
    for before, passage in zip([None, *text.passages], text.passages, strict=False):
        assert passage.first_word == place
        assert passage.word_count == len(words(passage.text)) > 0
        place += passage.word_count
        assert passage.text == " ".join(passage.text.split())
        assert unicodedata.is_normalized("NFC", passage.text)
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in passage.text)
        if passage.kind == "paragraph":
            number += 1
            assert passage.number == number
        else:
            assert (passage.kind, passage.number) == ("heading", 0)
        if before:
            assert passage.page - before.page in (0, 1)
            assert passage.chapter - before.chapter in (0, 1)
            assert not (before.kind == "heading" and passage.page > before.page), "a heading ends a page"
        sentences = split_sentences(passage.text)
        assert " ".join(sentence.text for sentence in sentences) == passage.text
        assert [sentence.first_word for sentence in sentences] == [
            sum(other.word_count for other in sentences[:at]) for at in range(len(sentences))
        ]
    assert text.passages[0].page == 1
    assert text.passages[-1].kind == "paragraph"
    assert (text.word_count, text.page_count) == (place, text.passages[-1].page)
    assert text.chapter_count == text.passages[-1].chapter


@pytest.mark.parametrize(
    "end", ["*** END OF THE PROJECT GUTENBERG EBOOK ***", "End of Project Gutenberg’s Tin Whistle"]
)
@pytest.mark.parametrize("the", ["THE", "THIS"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_gutenberg_book_is_its_chapters_only(end, the, newline):
    text = import_text(BOOK.format(the=the, end=end).replace("\n", newline))
    assert (text.title, text.author, text.chapter_count) == (
        "The Tin Whistle and Other Tunes",
        "Maud Farrow",
        3,
    )
    assert kinds(text) == [
        ("h", "THE TIN WHISTLE"),
        ("h", "CHAPTER I. The Shop"),
        ("p", "Mr. Penn kept a shop in Cane Street, where he sold whistles, kites and string."),
        ("p", '"Blow it low, Blow it high, Blow it till The cows reply."'),
        ("h", "CHAPTER II. The Second Shop"),
        ("p", "It was shut."),
        ("h", "CHAPTER III. Home"),
        ("p", "They walked home."),
        ("p", "THE END"),
    ]
    assert [passage.page for passage in text.passages] == [1, 1, 1, 1, 2, 2, 3, 3, 3]
    check_promises(text)


def test_the_oldest_gutenberg_header_ends_with_the_small_print():
    text = import_text(
        "***The Project Gutenberg Etext of A Kite, by Ann Lee***\n\nPlease read.\n\n"
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\nIt flew.\n\n"
        "End of The Project Gutenberg Etext of A Kite\n"
    )
    assert (text.title, text.author, kinds(text)) == ("A Kite", "Ann Lee", [("p", "It flew.")])


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("CHAPTER I. Down the Lane", "CHAPTER I. Down the Lane"),
        ("Chapter 1\nDown the Lane", "Chapter 1. Down the Lane"),
        ("Chapter 1\n\nDown the Lane", "Chapter 1. Down the Lane"),
        ("CHAPTER THE FIRST", "CHAPTER THE FIRST"),
        ("Chapter Twenty-One: how it rained", "Chapter Twenty-One: how it rained"),
        ("CHAPTER XLIV—DOWN THE LANE", "CHAPTER XLIV—DOWN THE LANE"),
        ("PART ONE", "PART ONE"),
        ("_Stave One_", "Stave One"),
        ("## Chapter 1: Down the Lane ##", "Chapter 1: Down the Lane"),
    ],
)
def test_chapter_headings_in_many_dresses(heading, expected):
    text = import_text(f"{heading}\n\nBob walked on.\n")
    assert kinds(text) == [("h", expected), ("p", "Bob walked on.")]
    assert (text.chapter_count, text.title) == (1, expected)


@pytest.mark.parametrize(
    "prose",
    [
        "Chapter 3 of the book says that kites need a tail, and a long one.",
        "Part two. The plan was to go home. Nobody liked it.",
        "They had read to the end of the story, and in\nChapter 3. The whale was gone and so was\nits ship.",
        "Book a place by the window.",
        "“CHAPTER ONE!” he shouted.",
    ],
)
def test_prose_that_talks_of_chapters_is_prose(prose):
    text = import_text(f"Alice read to the end.\n\n{prose}\n\nThen she slept.")
    assert text.chapter_count == 0
    assert [passage.kind for passage in text.passages] == ["paragraph"] * 3


def test_parts_hold_chapters_and_begin_their_first_chapters_page():
    text = import_text(
        "PART ONE\n\nChapter 1\n\nHe ran.\n\nChapter 2\n\nHe fell.\n\nPART TWO\n\nChapter 1\n\nHe rose.\n"
    )
    assert text.chapter_count == 3
    assert [(passage.text, passage.chapter, passage.page) for passage in text.passages] == [
        ("PART ONE", 0, 1),
        ("Chapter 1", 1, 1),
        ("He ran.", 1, 1),
        ("Chapter 2", 2, 2),
        ("He fell.", 2, 2),
        ("PART TWO", 3, 3),
        ("Chapter 1", 3, 3),
        ("He rose.", 3, 3),
    ]


@pytest.mark.parametrize(
    "contents",
    [
        "Contents\n\nChapter 1. Rain ..... 3\nChapter 2. Sun ..... 9",
        "Chapter 1. Rain\n\nChapter 2. Sun",
        "CONTENTS\n\n   I. Rain\n  II. Sun",
        "Chapter 1\n\nRain\n\nChapter 2\n\nSun",
    ],
)
@pytest.mark.parametrize("preface", ["", "PREFACE\n\nThis is about weather.\n\n"])
def test_a_table_of_contents_is_no_chapter(contents, preface):
    text = import_text(
        f"Weather\n\n{contents}\n\n{preface}Chapter 1. Rain\n\nIt fell.\n\nChapter 2. Sun\n\nIt shone."
    )
    assert (text.title, text.chapter_count) == ("Weather", 2)
    assert chapters(text) == ["Chapter 1. Rain", "Chapter 2. Sun"]
    assert [passage.text for passage in text.passages][-4:] == [
        "Chapter 1. Rain",
        "It fell.",
        "Chapter 2. Sun",
        "It shone.",
    ]


def test_markdown_headings_below_the_title_are_chapters():
    text = import_text(
        "# The Pond\n\n## Frogs\nThey sing.\n\n## Newts\nThey do not.\n\n### At night\nThey hide."
    )
    assert (text.title, chapters(text)) == ("The Pond", ["Frogs", "Newts"])
    assert kinds(text)[-2:] == [("h", "At night"), ("p", "They hide.")]


def test_lone_numerals_are_chapters_only_where_they_count_up_between_sentences():
    chaptered = import_text("1\n\nIt rained.\n\n2\n\nThe Flood\n\nIt poured.")
    assert chapters(chaptered) == ["1", "2. The Flood"]
    page_numbers = import_text("It rained and\n\n1\n\nrained and\n\n2\n\nrained.")
    assert page_numbers.chapter_count == 0


def test_a_title_page_gives_title_and_author():
    text = import_text("The Kite\nby Bob Ash\n\nIt flew.")
    assert (text.title, text.author, kinds(text)) == (
        "The Kite",
        "Bob Ash",
        [("h", "The Kite"), ("p", "It flew.")],
    )
    assert import_text("It flew.\n\nIt fell.").title == ""


def test_a_poems_lines_stay_together_and_name_no_author():
    text = import_text("We walk all day\nby the sea we know,\nand home we come\nwhen the lamps are low.")
    assert (text.author, [passage.number for passage in text.passages]) == ("", [1])


def test_todays_gutenberg_layout_with_titles_below_the_chapter_numbers():
    text = import_text(
        "Title: Rain\n\nAuthor: Ann Lee\n\n*** START OF THE PROJECT GUTENBERG EBOOK 1 ***\n\n"
        "[Illustration]\n\nRain\n\nby Ann Lee\n\nContents\n\n"
        " CHAPTER I.     Drops\n CHAPTER II.    Puddles\n\n\n"
        "CHAPTER I.\nDrops\n\n\nThey fell\nall night.\n\nCHAPTER II.\nPuddles\n\nThey shone.\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK 1 ***"
    )
    assert (text.title, text.author) == ("Rain", "Ann Lee")
    assert kinds(text) == [
        ("h", "Rain"),
        ("h", "CHAPTER I. Drops"),
        ("p", "They fell all night."),
        ("h", "CHAPTER II. Puddles"),
        ("p", "They shone."),
    ]


def test_wrapped_lines_are_joined_and_blank_lines_part_paragraphs():
    text = import_text("It was a long\nwalk to the shop.\n  \t\nThey went,\nand\ncame back.\n\n\nBob stayed.")
    assert kinds(text) == [
        ("p", "It was a long walk to the shop."),
        ("p", "They went, and came back."),
        ("p", "Bob stayed."),
    ]


def test_without_blank_lines_a_long_line_is_a_paragraph():
    line = "Alice ran down the lane with the kite behind her and " * 4 + "stopped."
    text = import_text(f"Chapter 1\n{line}\n{line}\n“Oh!”\nChapter 2\n{line}")
    assert [passage.kind[0] for passage in text.passages] == list("hppphp")
    assert text.chapter_count == 2


def test_indented_first_lines_begin_paragraphs_in_a_text_without_blank_lines():
    text = import_text(
        "Alice ran down\nthe lane.\n   Bob ran after\nher and fell.\n   “Wait,” he said.\nShe did."
    )
    assert kinds(text) == [
        ("p", "Alice ran down the lane."),
        ("p", "Bob ran after her and fell."),
        ("p", "“Wait,” he said. She did."),
    ]


def test_a_bullet_list_keeps_its_items_apart():
    assert [text for _, text in kinds(import_text("You need:\n\n- flour and\n  salt\n- water"))][1:] == [
        "- flour and salt",
        "- water",
    ]


def test_emphasis_marks_go_and_gaps_to_fill_in_stay():
    text = import_text("The _Sea\nRose_ sank, _she_ said. Fill in ____ and snake_case_name.")
    assert kinds(text) == [("p", "The Sea Rose sank, she said. Fill in ____ and snake_case_name.")]


def test_an_open_bracket_does_not_swallow_the_book():
    rest = long_paragraph(600)
    text = import_text(f"[Illustration: a cat\n\n{rest}\n\nThe end of it].")
    assert text.word_count > 600


def test_pages_hold_about_400_words_and_chapters_begin_them():
    paragraphs = [long_paragraph(count) for count in (120, 240, 36, 480, 60, 120, 240, 12, 360)]
    book = "\n\n".join(["Chapter 1", *paragraphs[:6], "Chapter 2", *paragraphs[6:]])
    text = import_text(book)
    on_page = Counter()
    for passage in text.passages:
        on_page[passage.page] += passage.word_count
    assert list(on_page.values()) == [2 + 120 + 240 + 36, 480, 60 + 120, 2 + 240 + 12, 360]
    check_promises(text)


def test_a_giant_paragraph_is_cut_between_sentences_into_even_pieces():
    text = import_text(long_paragraph(3000))
    assert [passage.number for passage in text.passages] == list(range(1, len(text.passages) + 1))
    assert all(
        300 <= passage.word_count <= 500 and passage.text.endswith("stop.") for passage in text.passages
    )
    assert text.page_count == len(text.passages)
    endless = import_text(" ".join(["word"] * 5000))
    assert max(passage.word_count for passage in endless.passages) <= importing.PARAGRAPH_AT_MOST
    assert endless.word_count == 5000


def test_a_list_in_capitals_does_not_pile_up_on_one_page():
    text = import_text("\n\n".join(["ALPHA BETA"] * 2000 + ["They were all there."]))
    assert max(Counter(passage.page for passage in text.passages).values()) < 400
    check_promises(text)


@pytest.mark.parametrize("raw", ["", " \n\u200b\ufeff\n", "* * *\n\n?!", "[Illustration]"])
def test_nothing_readable_is_refused(raw):
    with pytest.raises(UnreadableText) as refused:
        import_text(raw)
    assert refused.value.code == "empty"


PIECES = st.sampled_from(
    [
        "Chapter 1",
        "CHAPTER II. The Sea",
        "PART ONE",
        "# Top",
        "## Deep",
        "CONTENTS",
        "THE END",
        "I",
        "2",
        "* * *",
    ]
    + [
        "[Illustration: x",
        "]",
        "_so_",
        "_",
        "by Ann Lee",
        "Mr. Penn ran.",
        "“Oh!” said Bob",
        "…",
        "- item",
        "    far in",
    ]
    + [
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***",
        "End of Project Gutenberg",
        "Title: X",
        "word " * 700,
    ]
    + ["a\u0301", "\u200d", "\x85", "\x1c", "\u2029", "\ud800", "\u3000", " " * 3, "\n", "\n\n", "\r\n"]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=30).map("\n".join)))
def test_any_text_keeps_the_promises_or_is_refused(raw):
    try:
        text = import_text(raw)
    except UnreadableText as refused:
        assert refused.code == "empty"
        return
    check_promises(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(alphabet="abc XYZ.,'\"!?…()", max_size=40), max_size=8), st.sampled_from(["\n", "\n\n"])
)
def test_every_word_of_plain_prose_arrives_in_order(lines, between):
    raw = between.join(["Alice read:", *lines, "Then she slept."])
    assert [word for passage in import_text(raw).passages for word in words(passage.text)] == raw.split()


@pytest.mark.parametrize(
    "repeated",
    [
        "Alice ran. ",
        "Alice ran down the lane.\n\n",
        "Chapter 1. Foo bar\n",
        "Chapter 1\n\n",
        "ALPHA\n\n",
        "[Illustration ",
        "_a ",
        "_\u0315\u0300_",
        "a\u0315\u0300",
        "* ",
        "   a\n",
        "e.g. ",
        "”’",
        "\u200d",
        "Title: x\n  y\n",
    ],
)
def test_time_grows_with_the_text_and_no_faster(repeated):
    """A quadratic step would take minutes here; what is linear takes well under a second."""
    raw = "Alice " + repeated * (1_000_000 // len(repeated)) + " ran."
    began = time.process_time()
    import_text(raw)
    assert time.process_time() - began < 10
