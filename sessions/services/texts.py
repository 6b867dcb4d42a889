"""Where the words of a text are. Texts change by revision only, so what is read here is kept in memory."""

import bisect
from dataclasses import dataclass
from functools import lru_cache

from classrooms.models import Passage, Text
from sessions import errors
from sessions.llm.contract import Paragraph


@dataclass(frozen=True, slots=True)
class Outline:
    """First words and numbers of a text's passages, in order; a heading counts with the paragraph after it."""

    first_words: tuple[int, ...]
    numbers: tuple[int, ...]

    def paragraph_at(self, word_index: int) -> int:
        """Return the number, from 1, of the paragraph that holds a word."""
        place = bisect.bisect_right(self.first_words, word_index) - 1
        for following in range(place, len(self.numbers)):
            if self.numbers[following]:
                return self.numbers[following]
        return max(self.numbers)

    def number_at(self, word_index: int) -> int:
        """Return the number of the passage that holds a word, 0 for a heading."""
        return self.numbers[bisect.bisect_right(self.first_words, word_index) - 1]


def outline(text: Text) -> Outline:
    return _outline(text.pk, text.revision)


@lru_cache(maxsize=256)
def _outline(text_id: int, revision: int) -> Outline:
    return read_outline(text_id)


def read_outline(text_id: int) -> Outline:
    """Return the outline as it stands in the database: within a transaction that may yet fail, nothing is kept."""
    rows = list(Passage.objects.filter(text_id=text_id).order_by("first_word").values_list("first_word", "number"))
    return Outline(tuple(first for first, _ in rows), tuple(number for _, number in rows))


@lru_cache(maxsize=32)
def paragraphs(text_id: int, revision: int) -> tuple[Paragraph, ...]:
    """Return the whole text as the tutor reads it. The revision is part of the key, not of the query."""
    rows = Passage.objects.filter(text_id=text_id).order_by("first_word")
    return tuple(
        Paragraph(number=row.number, text=row.body, first_word=row.first_word, chapter=row.chapter) for row in rows)


def check_place(text: Text, word_index: int, revision: int | None = None) -> None:
    """Raise StaleText for an older revision's index, InvalidPosition for one outside the text."""
    if revision is not None and revision != text.revision:
        raise errors.StaleText()
    if not 0 <= word_index < text.word_count:
        raise errors.InvalidPosition()


def end_of_page(text: Text, word_index: int) -> int:
    """Return the index just past the last word of the page that holds a word."""
    return text.page_end(bisect.bisect_right(text.page_starts, word_index))
