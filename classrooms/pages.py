"""What a page of a text shows: its passages as blocks, sentences and runs of words, for `sessions/_page_text.html`.

The reading page and a teacher's view of a text call `blocks_of`. Words are counted here as everywhere, by `plaintext`:
a run never cuts a word, so the browser counts the same ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from classrooms.importing import Sentence, split_sentences, words
from classrooms.models import Passage, Text

DEEPEST_HEADING = 6


def blocks_of(passages: Iterable[Passage]) -> list[dict]:
    """Return the blocks of a page in order, each {"kind", "tag", "passages"}.

    A heading and a paragraph are blocks of their own; items in a row are one list ("ul", or "ol" where one has a
    number), quotations in a row one "blockquote". A heading's tag is at most one level below the one before it, and
    the page itself has the first.
    """
    blocks: list[dict] = []
    above = 1
    for passage in passages:
        tag = {"heading": "", "item": "ul", "quote": "blockquote"}.get(passage.kind, "p")
        if passage.kind == "heading":
            above = min(passage.level + 1, above + 1, DEEPEST_HEADING)
            tag = f"h{above}"
        last = blocks[-1] if blocks else None
        if last is None or passage.kind not in ("item", "quote") or last["kind"] != passage.kind:
            last = {"kind": passage.kind, "tag": tag, "passages": []}
            blocks.append(last)
        if passage.ordinal:
            last["tag"] = "ol"
        last["passages"].append(_passage(passage))
    return blocks


def chapter_title(text: Text, page: int) -> str:
    """Return the last chapter heading that stands on a page or before it, "" where there is none."""
    headings = text.passages.filter(kind="heading", chapter__gt=0, first_word__lt=text.page_end(page))
    return headings.values_list("body", flat=True).last() or ""


def _passage(passage: Passage) -> dict:
    return {
        "number": passage.number, "first_word": passage.first_word, "word_count": passage.word_count,
        "level": passage.level, "ordinal": passage.ordinal, "text": passage.body,
        "sentences": [{"first_word": passage.first_word + sentence.first_word, "word_count": sentence.word_count,
                       "runs": list(_runs(sentence, passage.marks))} for sentence in split_sentences(passage.body)]}


def _runs(sentence: Sentence, marks: Sequence[tuple[int, int, str]]) -> Iterator[dict]:
    """Yield the sentence in runs of words that stand in the same marks, {"text", "em", "strong"}."""
    start, end = sentence.first_word, sentence.first_word + sentence.word_count
    here = [(max(first, start), min(last + 1, end), mark) for first, last, mark in marks if first < end and last >= start]
    if not here:
        yield {"text": sentence.text, "em": False, "strong": False}
        return
    tokens = words(sentence.text)
    borders = sorted({start, end, *(first for first, _, _ in here), *(last for _, last, _ in here)})
    for low, high in pairwise(borders):
        standing = {mark for first, last, mark in here if first <= low and high <= last}
        yield {"text": " ".join(tokens[low - start:high - start]), "em": "em" in standing, "strong": "strong" in standing}
