"""The passage helper answers from the text, in its words, and says when it cannot."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sessions.llm import Finish, Paragraph
from sessions.llm.citations import find_citations
from sessions.llm.definitions import asked_term
from sessions.llm.passage_helper import DEFAULT_PHRASES, PassageHelper
from sessions.llm.ranking import index_of, rank
from tests.passages import ask, first_word_of, paragraphs, word_count

NOT_FOUND = DEFAULT_PHRASES["not_found"]


def answer(question, **fields):
    return PassageHelper().answer(ask(question, **fields))


@pytest.mark.parametrize(
    "question",
    [
        "What is a pangram?",
        "what's a pangram",
        "What are pangrams?",
        "What does pangram mean?",
        "What does the word “pangram” mean?",
        "What is the meaning of pangram?",
        "Define pangram.",
        "pangram?",
        "Pangrams",
    ],
)
def test_what_is_a_pangram(question):
    text, response_type = answer(question)
    assert text == (
        "The text says: “The quick brown fox jumps over the lazy dog. "
        "This pangram contains every letter of the alphabet.” [¶4]"
    )
    assert response_type == "definition"


def test_word_pointed_at():
    text, _ = answer("What does this mean?", selected_text="pangram,")
    assert "[¶4]" in text


def test_plain_definition_before_a_description():
    text, response_type = answer("What is a burrow?")
    assert text == "The text says: “A burrow is a home dug in the ground.” [¶7]"
    assert response_type == "definition"


def test_definition_between_commas():
    text, _ = answer("What is a Fresnel lens?")
    assert "“The lamp above them was a Fresnel lens, that is, a ring of glass steps" in text
    assert text.endswith("[¶6]")


def test_word_that_is_used_but_not_explained():
    text, response_type = answer("What does chalk mean?")
    assert text.startswith(
        "The text does not explain “chalk” outright. It uses it here: “She checked them off"
    )
    assert response_type == "text"


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        ("How many stairs does the lighthouse have?", 1),
        ("What did the keeper say about the typewriter?", 2),
        ("From how far did ships see the lamp?", 6),
        ("What broke in the storm?", 8),
        ("Where did the rabbit dig?", 7),
        ("Why did the keeper row out?", 8),
    ],
)
def test_passage_that_answers(question, paragraph):
    text, response_type = answer(question)
    citations = find_citations(text, paragraphs(), word_count())
    assert paragraph in [citation.paragraph for citation in citations]
    assert all(citation.verified for citation in citations)
    assert response_type == "text"


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Norway?",
        "Who invented the telephone?",
        "What is photosynthesis?",
        "How many planets are there?",
        "Can you do my homework?",
        "Why?",
        "?",
        "日本語は？",
    ],
)
def test_what_the_text_does_not_tell(question):
    assert answer(question) == (NOT_FOUND, "text")


def test_nothing_the_reader_has_not_reached():
    assert "[¶8]" in answer("Why did the keeper row out to warn the ferry?")[0]
    before = answer("Why did the keeper row out to warn the ferry?", visible_to_word=first_word_of(8))
    assert before == (NOT_FOUND, "text")
    assert answer("What is a burrow?", visible_to_word=first_word_of(7)) == (NOT_FOUND, "text")
    # The paragraph has begun, but its defining sentence is not read yet.
    text, _ = answer("What is a burrow?", visible_to_word=first_word_of(7) + 12)
    assert text.endswith("“A rabbit had dug its burrow under the coal shed.” [¶7]")


def test_long_sentence_is_quoted_in_part():
    filler = "and then the water went on and on under the trees " * 10
    long = f"{filler}until the otter hid a silver key beneath the third stone {filler.strip()}."
    book = [Paragraph(1, long, 0, 1), Paragraph(2, "Nothing else happened.", len(long.split()), 1)]
    request = {"paragraphs": book, "text_key": "long:1", "visible_to_word": 10_000, "word_index": 0}
    text, _ = answer("Where did the otter hide the silver key?", **request)
    assert "the otter hid a silver key beneath the third stone" in text
    assert len(text.split()) < 80
    [citation] = find_citations(text, book, 10_000)
    assert citation.verified


def test_nearer_of_two_equal_places_comes_first():
    line = "The ferry left the harbour at noon."
    other = "Gulls slept on the warm roof of the shed all day long."
    texts = [line] + [other] * 200 + [line]
    book, words = [], 0
    for number, text in enumerate(texts, start=1):
        book.append(Paragraph(number, text, words, 1))
        words += len(text.split())
    fields = {"paragraphs": book, "text_key": "ferry:1", "visible_to_word": words}
    assert rank(ask("When did the ferry leave?", word_index=0, **fields), 1)[0].paragraph.number == 1
    assert (
        rank(ask("When did the ferry leave?", word_index=words - 1, **fields), 1)[0].paragraph.number == 202
    )


def test_phrases_of_another_language():
    helper = PassageHelper(phrases={"definition": "Im Text steht:"}, label="Textstellen, keine KI")
    assert helper.answer(ask("What is a burrow?"))[0].startswith("Im Text steht: “A burrow")
    assert helper.label == "Textstellen, keine KI"
    with pytest.raises(ValueError, match="no phrase greeting"):
        PassageHelper(phrases={"greeting": "Hello"})


async def test_streams_a_few_words_at_a_time():
    items = [item async for item in PassageHelper(pace=0).stream(ask("What is a burrow?"))]
    assert [item.text for item in items[:2]] == ["The text says: ", "“A burrow is "]
    assert items[-1] == Finish("stop", response_type="definition", model="passage_helper")


def test_index_is_kept_for_a_text_and_the_store_is_bounded():
    first = index_of(ask("What is a burrow?", text_key="kept:1"))
    assert index_of(ask("Who is Nell?", text_key="kept:1")) is first
    assert index_of(ask("Who is Nell?", text_key="kept:2")) is not first
    for revision in range(100):
        index_of(ask("Who is Nell?", text_key=f"other:{revision}"))
    assert index_of(ask("Who is Nell?", text_key="kept:1")) is not first


def test_many_threads_agree():
    questions = ["What is a burrow?", "What broke in the storm?", "Where did the rabbit dig?"] * 20
    alone = [answer(question, text_key="alone:1") for question in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda q: answer(q, text_key="together:1"), questions))
    assert together == alone


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("Who is the keeper?", "keeper"),
        ("What is a Fresnel lens?", "Fresnel lens"),
        ("What is the White King?", "White King"),
        ("Explain the word typewriter", "typewriter"),
        ("What is Nell doing?", None),
        ("What is in the shed?", None),
        ("Who is at the door?", None),
        ("What is it?", None),
        ("Why does the keeper row?", None),
    ],
)
def test_term_asked_for(question, term):
    assert asked_term(question) == term
