"""Check an answer's quotations against the text.

`find_citations` is called by the engine for every finished answer, a model's or the passage helper's. A quote
is true when its words stand in the text in a row, whatever their case, quote marks, dashes and punctuation;
what the reader may not know yet does not count as the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .contract import Paragraph


@dataclass(frozen=True, slots=True)
class Citation:
    """A quotation of an answer. Word indexes count in the whole text, both inclusive, None if unverified.

    `paragraph` is where the quote stands (corrected where the answer named another), 0 in a heading; of an
    unverified quote it is the number the answer gave, else 0.
    """

    paragraph: int
    quote: str
    from_word_index: int | None
    to_word_index: int | None
    verified: bool


_CLOSING = {'"': '"', "”": "“", "»": "«", "’": "‘", "'": "'"}
# [¶12], (¶ 12), ¶12; of [¶12, ¶13] and [¶12-13] the first counts.
_MARK = re.compile(r"[\[(]?\s*¶\s*(\d{1,6})(?:\s*[,–-]\s*¶?\s*\d{1,6})*\s*[\])]?")
# Between the end of a quote and its mark: a stop or comma, spaces.
_CLOSED_BEFORE_MARK = re.compile(r"([\"”»’'])[\s.,;:!?]*$")
_UNMARKED = re.compile(r'"([^"\n]+)"|“([^“”\n]+(?:“[^“”\n]*”[^“”\n]*)*)”|«([^«»\n]+)»')
_ELLIPSIS = re.compile(r"…|\.\s?\.\s?\.")
_CORE = re.compile(r"[^\W_]+")
_LONGEST_QUOTE = 2_000
# Quotes in quotes go three deep at most; a reply full of stray marks must not cost a search for each.
_MOST_OPENINGS = 8
_MOST_QUOTATIONS = 30


def find_citations(answer: str, paragraphs: Sequence[Paragraph], visible_to_word: int) -> list[Citation]:
    """Return the answer's quotations in order, the first 30.

    Read are "…", “…” and «…», and before a paragraph mark ([¶12], (¶12), ¶12) also ‘…’ and '…'. A single
    quoted word without a mark is no quotation. An ellipsis inside stands for words left out.
    """
    text = _Text(paragraphs, visible_to_word)
    return list(islice(_citations(answer, text), _MOST_QUOTATIONS))


def _citations(answer: str, text: "_Text") -> Iterator[Citation]:
    unclaimed = 0
    for mark in _MARK.finditer(answer):
        stretch = answer[unclaimed : mark.start()]
        unclaimed = mark.end()
        if quote := _quote_before(stretch, text, int(mark[1])):
            offset, citation = quote
            yield from _unmarked(stretch[:offset], text)
            yield citation
        else:
            yield from _unmarked(stretch, text)
    yield from _unmarked(answer[unclaimed:], text)


def _unmarked(stretch: str, text: "_Text") -> Iterator[Citation]:
    for match in _UNMARKED.finditer(stretch):
        quote = next(group for group in match.groups() if group is not None).strip()
        if len(_cores(quote)) >= 2:
            yield text.check(quote, 0)


def _quote_before(stretch: str, text: "_Text", number: int) -> tuple[int, Citation] | None:
    """Return the quotation that ends where `stretch` ends, with its offset in it.

    Quotes hold quotes (“‘Oh!’ said Alice” and even ““Oh!” said Alice”), so every opening mark before it is
    tried, the longest first, and the first that is true wins; if none is, the shortest quotation is reported.
    """
    closed = _CLOSED_BEFORE_MARK.search(stretch)
    if not closed:
        return None
    end = closed.start(1)
    opening = _CLOSING[closed[1]]
    starts = [i for i, c in enumerate(stretch[:end]) if c == opening and end - i <= _LONGEST_QUOTE]
    if opening in "\"'":
        # A straight mark opens only before a word and after none.
        starts = [i for i in starts if not stretch[i + 1].isspace() and not stretch[max(0, i - 1)].isalnum()]
    citation = None
    for start in starts[-_MOST_OPENINGS:]:
        quote = stretch[start + 1 : end].strip()
        if not _cores(quote):
            continue
        citation = text.check(quote, number)
        if citation.verified:
            return start, citation
    return (starts[-1], citation) if citation else None


def _fold(text: str) -> str:
    """Return `text` for comparing: one form of each character, no case, no apostrophes inside words."""
    return unicodedata.normalize("NFC", text).casefold().replace("’", "").replace("'", "")


def _cores(text: str) -> list[str]:
    """Return the bare words: "rabbit-hole" and "rabbit—hole" are both two."""
    return _CORE.findall(_fold(text))


class _Text:
    """The visible text as bare words with their positions, a paragraph at a time and only when needed."""

    def __init__(self, paragraphs: Sequence[Paragraph], visible_to_word: int) -> None:
        self._visible_to_word = visible_to_word
        self._paragraphs = [p for p in paragraphs if p.first_word < visible_to_word]
        self._by_number = {p.number: p for p in self._paragraphs if p.number > 0}
        self._folded: list[str] | None = None
        self._words: dict[int, tuple[str, list[int]]] = {}

    def check(self, quote: str, number: int) -> Citation:
        """Return the citation of a quote that the answer says is from paragraph `number` (0: not said)."""
        parts = [cores for part in _ELLIPSIS.split(quote) if (cores := _cores(part))]
        for paragraph in self._candidates(parts, number):
            if span := self._find(parts, paragraph):
                return Citation(paragraph.number, quote, *span, verified=True)
        return Citation(number, quote, None, None, verified=False)

    def _candidates(self, parts: list[list[str]], number: int) -> Iterator[Paragraph]:
        """Yield the named paragraph, then all others that hold the quote's longest word, headings last."""
        if not parts:
            return
        named = self._by_number.get(number)
        if named:
            yield named
        if self._folded is None:
            self._folded = [_fold(p.text) for p in self._paragraphs]
        longest = max((core for part in parts for core in part), key=len)
        holding = [p for p, folded in zip(self._paragraphs, self._folded, strict=True) if longest in folded]
        yield from (p for p in holding if p.number > 0 and p is not named)
        yield from (p for p in holding if p.number == 0)

    def _find(self, parts: list[list[str]], paragraph: Paragraph) -> tuple[int, int] | None:
        """Return the first and last word index of the parts in order in this paragraph."""
        joined, positions = self._bare_words(paragraph)
        at = 0
        first = last = None
        for part in parts:
            needle = f" {' '.join(part)} "
            at = joined.find(needle, at)
            if at < 0:
                return None
            word = joined.count(" ", 0, at)
            first = positions[word] if first is None else first
            last = positions[word + len(part) - 1]
            at += len(needle) - 1  # the closing space opens the next part
        return first, last

    def _bare_words(self, paragraph: Paragraph) -> tuple[str, list[int]]:
        """Return " word word … " and, for each bare word, the index of the text's word it belongs to."""
        if paragraph.first_word not in self._words:
            cores: list[str] = []
            positions: list[int] = []
            for index, word in enumerate(paragraph.text.split(), start=paragraph.first_word):
                if index >= self._visible_to_word:
                    break
                for core in _cores(word):
                    cores.append(core)
                    positions.append(index)
            self._words[paragraph.first_word] = (f" {' '.join(cores)} ", positions)
        return self._words[paragraph.first_word]
