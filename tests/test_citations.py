"""Quotations in an answer are checked against the text the reader may know."""

import time

import pytest

from sessions.llm import Paragraph
from sessions.llm.citations import Citation, find_citations
from tests.passages import first_word_of, paragraphs, word_count


def cite(answer, visible_to_word=None):
    return find_citations(answer, paragraphs(), word_count() if visible_to_word is None else visible_to_word)


def words_of(citation):
    words = " ".join(p.text for p in paragraphs()).split()
    return " ".join(words[citation.from_word_index : citation.to_word_index + 1])


def test_quote_with_its_paragraph():
    answer = 'A pangram: "contains every letter of the alphabet" [¶4]. Now you try.'
    first = first_word_of(4) + 11
    assert cite(answer) == [
        Citation(4, "contains every letter of the alphabet", first, first + 5, verified=True)
    ]


@pytest.mark.parametrize(
    "quoted",
    [
        "“contains every letter of the alphabet” [¶4]",
        "«contains every letter of the alphabet» (¶4)",
        "‘contains every letter of the alphabet’ ¶4",
        "'contains every letter of the alphabet' [¶ 4]",
        '"contains every letter of the alphabet." [¶4]',
        '"Contains every letter of the alphabet", [¶4]',
        '"contains every letter of the alphabet" [¶4, ¶5]',
        '"contains every letter of the alphabet" [¶4–5]',
        '"contains every letter of the alphabet"',
    ],
)
def test_ways_to_quote(quoted):
    [citation] = cite(f"It {quoted} indeed.")
    assert citation.verified
    assert citation.paragraph == 4
    assert words_of(citation) == "contains every letter of the alphabet."


def test_wrong_number_is_corrected():
    [citation] = cite('"a home dug in the ground" [¶2]')
    assert (citation.paragraph, citation.verified) == (7, True)


@pytest.mark.parametrize(
    "quote",
    [
        "a home dug in the sky",
        "home a dug in the ground",
        "dug in the ground. That night the storm",  # over the border of two paragraphs
        "ome dug in the groun",
    ],
)
def test_what_is_not_in_the_text_is_not_verified(quote):
    [citation] = cite(f'"{quote}" [¶7]')
    assert citation == Citation(7, quote, None, None, verified=False)


def test_nothing_beyond_what_the_reader_knows():
    quote = '"the storm broke the lamp\'s window" [¶8]'
    assert cite(quote)[0].verified
    assert not cite(quote, visible_to_word=first_word_of(8))[0].verified
    half = first_word_of(8) + 4
    assert not cite(quote, visible_to_word=half)[0].verified
    assert cite('"That night the storm" [¶8]', visible_to_word=half)[0].verified


def test_apostrophes_case_and_dashes_do_not_matter():
    [citation] = cite('"THE STORM BROKE THE LAMP\'S WINDOW — AND THE KEEPER" [¶8]')
    assert words_of(citation) == "the storm broke the lamp’s window, and the keeper"


def test_ellipsis_leaves_words_out_in_order():
    [citation] = cite('"The quick brown fox … contains every letter" [¶4]')
    assert citation.verified
    assert words_of(citation).startswith("The quick brown fox jumps")
    assert words_of(citation).endswith("contains every letter")
    assert not cite('"contains every letter ... the quick brown fox" [¶4]')[0].verified


def test_speech_inside_a_quotation():
    [citation] = cite("““It wants oil,” said the keeper, “but it works.”” [¶2]")
    assert citation.verified
    assert words_of(citation) == "“It wants oil,” said the keeper, “but it works.”"
    [citation] = cite("The keeper: “but it works.”” [¶2]")
    assert words_of(citation) == "“but it works.”"


def test_straight_quotes_inside_straight_quotes():
    [citation] = cite('""It wants oil," said the keeper" [¶2]')
    assert words_of(citation) == "“It wants oil,” said the keeper,"


def test_scare_quotes_are_no_quotation():
    assert cite("A \"pangram\" is a “sentence”. It's the keeper's word.") == []
    [citation] = cite('It says "pangram" [¶4].')
    assert (citation.paragraph, citation.verified) == (4, True)


def test_several_in_their_order():
    answer = 'First "two fingers" he says, "not in the text", then “its burrow” [¶7] and "no gap" [¶5].'
    found = [(c.quote, c.paragraph, c.verified) for c in cite(answer)]
    assert found == [
        ("two fingers", 3, True),
        ("not in the text", 0, False),
        ("its burrow", 7, True),
        ("no gap", 5, True),
    ]


def test_heading_is_paragraph_zero():
    [citation] = cite('The chapter is "The Machine in the Attic".')
    assert citation == Citation(0, "The Machine in the Attic", 2, 6, verified=True)


def test_mark_without_quote_is_no_quotation():
    assert cite("The keeper rows out [¶8].") == []
    assert cite("") == []


def test_a_book_is_searched_quickly():
    """Quadratic search would take minutes here; the bound is generous."""
    text = "the old mole ran under the dark hedge and the river sang on " * 6
    book = [Paragraph(n + 1, f"{text}word{n}", n * 73, 1) for n in range(1_000)]
    answer = (
        "“dark hedge and the river sang on the old mole ran under” [¶3] " * 40 + '"' * 2_000 + "“" * 2_000
    )
    began = time.perf_counter()
    found = find_citations(answer, book, 73_000)
    assert [c.verified for c in found] == [True] * 30
    assert time.perf_counter() - began < 5
