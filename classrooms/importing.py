"""Turn pasted or uploaded text into chapters, pages, paragraphs, sentences and words.

The one place that does: services import texts through `import_text`, and everything that counts words or
pages uses what it returns. `plaintext` reads bytes, words and sentences, `layout` the lines of plain text,
`markdown` the structure of Markdown; public names are offered here too. Pure functions: no database, no models, no
clock.

Decided here: stanzas of verse and other short runs of lines are one paragraph, re-flowed; separators such as
`* * *` only end a paragraph; a heading is kept as a passage of its own, and one with nothing below it (THE
END) is an ordinary paragraph; a paragraph of more than 600 words becomes several passages, each with a number
of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .layout import Unit, byline_author, find_units, join_titles, take_gutenberg, title_like
from .markdown import read_markdown
from .plaintext import (
    Sentence,
    UnreadableText,
    clean_text,
    decode,
    ends_sentence,
    split_sentences,
    tidy_line,
    words,
)

__all__ = [
    "ImportedPassage",
    "ImportedText",
    "Sentence",
    "UnreadableText",
    "decode",
    "import_text",
    "split_sentences",
    "tidy_line",
    "words",
]

PAGE_WORDS = 400
PARAGRAPH_AT_MOST = 600
# In a row above one paragraph; more of them are a list in capitals, which must not grow into one page.
HEADINGS_AT_MOST = 5

_CONTENTS = re.compile(r"(?:table of )?contents[.:]?", re.IGNORECASE)
_EDITION = re.compile(r"\bedition\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImportedPassage:
    """One line of tidied text and its place in the whole text.

    `kind` is "heading", "paragraph", "item" (of a list) or "quote". `number` counts all but headings from 1 (0 for
    headings), `chapter` from 1 (0 before the first), `page` from 1. `first_word` is the 0-based index of its first
    word in the whole text, in which headings' words count too. `level`, `ordinal` and `marks` are a Passage's.
    """

    kind: str
    text: str
    number: int
    chapter: int
    page: int
    first_word: int
    word_count: int
    level: int = 0
    ordinal: int = 0
    marks: Sequence[tuple[int, int, str]] = ()


@dataclass(frozen=True, slots=True)
class ImportedText:
    """A whole text. `title` and `author` are "" where the text does not tell them."""

    title: str
    author: str
    passages: list[ImportedPassage]
    word_count: int
    page_count: int
    chapter_count: int


def import_text(raw: str, *, format: str = "plain") -> ImportedText:
    """Return the passages of a text, "plain" or "markdown", laid out on pages of about 400 words.

    Controls and zero-width characters are left out; of a plain text also Project Gutenberg's header, licence and
    credits, contents lists, illustration notes and `_emphasis_` marks. Raises UnreadableText("empty") where no letter
    or digit is left.
    """
    if format == "markdown":
        units, title, author = read_markdown(clean_text(raw))
        _refuse_empty(units)
        rank = _chapter_rank(units)
    else:
        text, title, author = take_gutenberg(clean_text(raw))
        units = find_units(text)
        _refuse_empty(units)
        units, author = _read_title_page(units, author=author)
        rank = _chapter_rank(units)
        if rank == "numeral":
            units = list(join_titles(units, ranks=("numeral",)))
        units = _drop_contents(units, rank=rank)
        title = title or (units[0].text if units[0].kind == "heading" else "")
    _settle_levels(units, rank=rank)
    # What Markdown calls a heading is a section as often as a chapter: a few lines need no page of their own.
    passages = _lay_out(units, rank=rank, turns_from=PAGE_WORDS // 2 if format == "markdown" else 1)
    return ImportedText(
        title=title,
        author=author,
        passages=passages,
        word_count=sum(passage.word_count for passage in passages),
        page_count=passages[-1].page,
        chapter_count=passages[-1].chapter,
    )


def _refuse_empty(units: list[Unit]) -> None:
    if not any(character.isalnum() for unit in units for character in unit.text):
        raise UnreadableText("empty")


def _settle_levels(units: list[Unit], *, rank: str) -> None:
    """Give headings their depth: 1 for chapters and what stands above them, 2 for the next below, and so on."""
    headings = [unit for unit in units if unit.kind == "heading"]
    signs = [heading.level for heading in headings if heading.level]
    chapters = len(rank) if rank.startswith("#") else min(signs, default=0)
    below = sorted({level for level in signs if level > chapters})
    for heading in headings:
        heading.level = 1 if heading.level <= chapters else below.index(heading.level) + 2


def _read_title_page(units: list[Unit], *, author: str) -> tuple[list[Unit], str]:
    """Return the units with the title as a heading and without author and edition lines, and the author."""
    page: list[Unit] = []
    read = 0
    for unit in units:
        named = byline_author(unit.text) if page else None
        if unit.rank or unit.listing or (named is None and not title_like(unit.text)):
            break
        read += 1
        if named is not None:
            author = author or named
        elif not page or (unit.text.casefold() != author.casefold() and not _EDITION.search(unit.text)):
            page.append(unit)
    rest = units[read:]
    if not rest:
        return units, author
    for at, unit in enumerate(page):
        if at == 0 or rest[0].rank:  # all of it stands above the first chapter
            unit.kind = "heading"
    return page + rest, author


def _chapter_rank(units: list[Unit]) -> str:
    """Return the rank of the headings that begin this text's chapters; "" where there are none.

    Also settles what lone numerals are: chapters where they run 1, 2, 3 … and never cut a sentence in two, as
    a page number would.
    """
    ranks = [unit.rank for unit in units]
    numerals = [at for at, rank in enumerate(ranks) if rank == "numeral"]
    counted = [units[at].number for at in numerals] == list(range(1, len(numerals) + 1)) and len(numerals) > 1
    between = all(
        at == 0 or units[at - 1].kind == "heading" or ends_sentence(units[at - 1].text) for at in numerals
    )
    for at in numerals:
        if not (counted and between):
            units[at].kind, units[at].rank = "paragraph", ""
    for rank in ("chapter", "part"):
        if rank in ranks:
            return rank
    if numerals and counted and between:
        return "numeral"
    for level in ("#", "##", "###", "####", "#####", "######"):
        # A single heading at the very top is the title, and the chapters lie a level deeper.
        if ranks.count(level) > 1 or level in ranks[1:]:
            return level
    return ""


def _drop_contents(units: list[Unit], *, rank: str) -> list[Unit]:
    """Return the units without the table of contents.

    It is known by its name above a list of short lines, or by chapter headings that follow one another
    without a paragraph between. The last of such a run is a real heading unless it comes again later on.
    """
    dropped: set[int] = set()
    runs: list[list[int]] = []
    running = listing = False
    for at, unit in enumerate(units):
        if _CONTENTS.fullmatch(unit.text):
            dropped.add(at)
            listing = True
        elif listing and unit.listing:
            dropped.add(at)
        elif unit.kind == "paragraph":
            running = listing = False
        elif rank and unit.rank == rank:
            if not running:
                runs.append([])
            runs[-1].append(at)
            running = True
    last_run = {units[at].number: place for place, run in enumerate(runs) for at in run}
    for place, run in enumerate(runs):
        *entries, last = run
        if rank.startswith("#"):
            for at in entries:
                units[at].rank = ""  # headings above the chapter's own, not a table
            continue
        if not entries:
            continue
        again = last_run[units[last].number] > place
        repeated = any(units[at].number == units[last].number for at in entries)
        dropped.update(range(entries[0], (entries[-1] if repeated or not again else last) + 1))
        above = entries[0] - 1
        while above >= 0 and units[above].rank == "part" and rank != "part":
            dropped.add(above)
            above -= 1
    kept = [unit for at, unit in enumerate(units) if at not in dropped]
    return kept or units


def _lay_out(units: list[Unit], *, rank: str, turns_from: int) -> list[ImportedPassage]:
    """Return the passages with their numbers, chapters and pages; see _Pages."""
    pages = _Pages(rank, turns_from)
    headings: list[Unit] = []
    for unit in units:
        chapter = bool(rank) and unit.rank == rank
        if unit.kind == "heading" and (chapter or len(headings) < HEADINGS_AT_MOST):
            headings.append(unit)
        else:
            pages.add(headings=headings, unit=unit)
            headings = []
    for heading in headings:
        pages.close(heading)
    return pages.passages


class _Pages:
    """Passages laid out so far, and where the next one falls.

    `rank` is that of chapter headings; a chapter begins a page where the one before has `turns_from` words.
    """

    def __init__(self, rank: str, turns_from: int) -> None:
        self.passages: list[ImportedPassage] = []
        self._rank, self._turns_from = rank, turns_from
        self._number = self._chapter = self._word = self._on_page = 0
        self._page = 1

    def add(self, *, headings: list[Unit], unit: Unit) -> None:
        """Add a paragraph with the headings above it, which stay on its page and share its chapter."""
        ranks = [heading.rank for heading in headings]
        begins_chapter = bool(self._rank) and self._rank in ranks
        if begins_chapter and self._on_page >= self._turns_from:
            self._turn()
        pieces = _cut_paragraph(unit.text)
        self._turn_if_fuller(sum(len(words(heading.text)) for heading in headings) + len(words(pieces[0])))
        if begins_chapter and self._chapter:
            self._chapter += 1
        for heading in headings:
            if begins_chapter and heading.rank == self._rank:
                self._chapter = self._chapter or 1  # what stands above the first chapter's heading is in none
            self._append(heading)
        start = 0
        for piece in pieces:
            count = len(words(piece))
            if start:
                self._turn_if_fuller(count)
            self._append(_piece_of(unit, text=piece, start=start, end=start + count))
            start += count

    def close(self, heading: Unit) -> None:
        """Add a line at the very end, such as THE END, to the last page."""
        self._append(_piece_of(heading, text=heading.text, start=0, end=len(words(heading.text))))

    def _turn_if_fuller(self, coming: int) -> None:
        """Begin a page where adding the coming words would end further from a full one than stopping."""
        if self._on_page and abs(self._on_page + coming - PAGE_WORDS) > abs(self._on_page - PAGE_WORDS):
            self._turn()

    def _turn(self) -> None:
        self._page += 1
        self._on_page = 0

    def _append(self, unit: Unit) -> None:
        count = len(words(unit.text))
        is_heading = unit.kind == "heading"
        self._number += not is_heading
        self.passages.append(
            ImportedPassage(
                kind=unit.kind,
                text=unit.text,
                number=0 if is_heading else self._number,
                chapter=self._chapter,
                page=self._page,
                first_word=self._word,
                word_count=count,
                level=unit.level,
                ordinal=unit.ordinal,
                marks=unit.marks,
            )
        )
        self._word += count
        self._on_page += count


def _piece_of(unit: Unit, *, text: str, start: int, end: int) -> Unit:
    """Return the words `start` to `end` (not included) of a paragraph that stands as a passage of its own.

    A heading that came to stand as one is a paragraph; so is what a list's long item goes on with.
    """
    kind = "paragraph" if unit.kind == "heading" or (unit.kind == "item" and start) else unit.kind
    marks = [(max(first, start) - start, min(last, end - 1) - start, mark)
             for first, last, mark in unit.marks if first < end and last >= start]
    is_paragraph = kind == "paragraph"
    return Unit(kind=kind, text=text, level=0 if is_paragraph else unit.level,
                ordinal=0 if is_paragraph else unit.ordinal, marks=marks)


def _cut_paragraph(text: str) -> list[str]:
    """Return the paragraph, where it is over 600 words in even pieces of a page that end with sentences.

    A sentence longer than that is cut between words.
    """
    tokens = words(text)
    if len(tokens) <= PARAGRAPH_AT_MOST:
        return [text]
    ends: list[int] = []
    start = 0
    for sentence in split_sentences(text):
        before, end = sentence.first_word, sentence.first_word + sentence.word_count
        left = len(tokens) - start
        target = left / max(1, round(left / PAGE_WORDS))
        further = abs(end - start - target) > abs(before - start - target)
        if before > start and (further or end - start > PARAGRAPH_AT_MOST):
            start = before
            ends.append(start)
        while end - start > PARAGRAPH_AT_MOST:
            start += PAGE_WORDS
            ends.append(start)
    bounds = [0, *ends, len(tokens)]
    return [" ".join(tokens[low:high]) for low, high in pairwise(bounds)]
