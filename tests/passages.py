"""A small text for the tests of `sessions.llm`, and requests about it."""

from typing import Any

from sessions.llm import Paragraph, TutorRequest

HEADING = "Chapter 1 The Machine in the Attic"
TEXT = (
    "Nell climbed the stairs of the lighthouse. There were two hundred and eleven, and she counted each.",
    "At the top her grandfather kept an old typewriter. “It wants oil,” said the keeper, “but it works.”",
    "She typed one line, slowly, with two fingers.",
    "The quick brown fox jumps over the lazy dog. This pangram contains every letter of the alphabet.",
    "“Every letter?” said Nell. She checked them off on the wall with a piece of chalk, and found no gap.",
    "The lamp above them was a Fresnel lens, that is, a ring of glass steps that bends the light one way. "
    "Ships saw it from twenty miles off.",
    "A rabbit had dug its burrow under the coal shed. A burrow is a home dug in the ground.",
    "That night the storm broke the lamp’s window, and the keeper rowed out to warn the ferry by hand.",
)


def paragraphs() -> list[Paragraph]:
    """Return the heading and the eight numbered paragraphs."""
    found = [Paragraph(number=0, text=HEADING, first_word=0, chapter=1)]
    first_word = len(HEADING.split())
    for number, text in enumerate(TEXT, start=1):
        found.append(Paragraph(number=number, text=text, first_word=first_word, chapter=1))
        first_word += len(text.split())
    return found


def word_count() -> int:
    """Return the number of words of the text, the heading's included."""
    last = paragraphs()[-1]
    return last.first_word + len(last.text.split())


def first_word_of(number: int) -> int:
    """Return the index of the first word of a paragraph."""
    return paragraphs()[number].first_word


def ask(question: str, **fields: Any) -> TutorRequest:
    """Return a request of a reader who has read the whole text, unless `fields` say otherwise."""
    defaults: dict[str, Any] = {
        "paragraphs": paragraphs(),
        "text_key": "lighthouse:1",
        "word_index": first_word_of(4),
        "furthest_word_index": word_count() - 1,
        "visible_to_word": word_count(),
        "reading_level": "ages 9 to 11",
        "language": "en",
    }
    return TutorRequest(question=question, **{**defaults, **fields})
