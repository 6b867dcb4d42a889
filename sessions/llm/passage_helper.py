"""The passage helper: answers from the text itself, with quotations. Not AI, no network, no key.

It serves every class that has no model, and stands in when the model fails. It never writes a sentence about
the text of its own: a fixed lead-in, then the text's words with their paragraph; or it says that it cannot
find the answer.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from .contract import Finish, Paragraph, ResponseType, TextDelta, TutorRequest
from .definitions import DefinitionFinder, asked_term
from .english import Sentence, terms
from .ranking import Ranked, TextIndex, index_of, rank

DEFAULT_PHRASES: Mapping[str, str] = {
    "definition": "The text says:",
    "in_use": "The text does not explain “{term}” outright. It uses it here:",
    "answer": "This part of the text may help:",
    "answers": "These parts of the text may help:",
    "not_found": "I can't find this in the part of the text you have read.",
}

# Evidence, not score: below this coverage nothing is quoted. Measured on 2026-11-23 (tests/load/ranking.py):
# on Alice, where it was chosen, it refuses 38 of 42 unanswerable questions and none of 120 answerable ones;
# on The Wind in the Willows 19 of 24, and 17 of 64 answerable ones that are worded away from the text. The
# lead of the best score over the second was no help: those of answerable and unanswerable questions overlap.
ENOUGH_COVERAGE = 0.5
_CONSIDERED = 3
_SECOND_QUOTE_SHARE = 0.8
_SHORT_SENTENCE = 8  # words: below it a neighbour is needed to make sense
_LONG_QUOTE = 80
_WINDOW = 60
# A sentence that begins so speaks of the one before it.
_LEANS_BACK_WORDS = "he she it they this that these those his her its their but so then"
_LEANS_BACK = frozenset(_LEANS_BACK_WORDS.split())
_PIECE_WORDS = 3


@dataclass(frozen=True, slots=True)
class _Quote:
    paragraph: Paragraph
    text: str

    def __str__(self) -> str:
        # A speech inside the quotation gets single marks; citations are compared without their marks.
        inner = self.text.replace("“", "‘").replace("”", "’")
        return f"“{inner}” [¶{self.paragraph.number}]"


class PassageHelper:
    """Quotes the text. `phrases` replaces DEFAULT_PHRASES by key; values may be lazy translations.

    `pace` is the pause in seconds between pieces, so that a page shows an answer as it shows a model's.
    """

    name = "passage_helper"

    def __init__(
        self,
        *,
        phrases: Mapping[str, str] | None = None,
        label: str = "Passage helper, not AI",
        pace: float = 0.03,
    ) -> None:
        unknown = set(phrases or ()) - set(DEFAULT_PHRASES)
        if unknown:
            raise ValueError(f"the passage helper has no phrase {', '.join(sorted(unknown))}")
        self.label = label
        self.pace = pace
        self._phrases = {**DEFAULT_PHRASES, **(phrases or {})}

    async def stream(self, request: TutorRequest) -> AsyncGenerator[TextDelta | Finish, None]:
        """Yield the answer a few words at a time; raises nothing of its own."""
        # The first question about a book builds its index, 0.1 s that the event loop must not stand still.
        text, response_type = await asyncio.to_thread(self.answer, request)
        words = text.split(" ")
        for start in range(0, len(words), _PIECE_WORDS):
            if start:
                await asyncio.sleep(self.pace)
            rest = " " if start + _PIECE_WORDS < len(words) else ""
            yield TextDelta(" ".join(words[start : start + _PIECE_WORDS]) + rest)
        yield Finish("stop", response_type=response_type, model=self.name)

    async def close(self) -> None:
        """Nothing is held."""

    def answer(self, request: TutorRequest) -> tuple[str, ResponseType]:
        """Return the whole answer and its type; the engine offers it where a model failed. Uses the CPU."""
        term = asked_term(request.question, selected_text=request.selected_text)
        if term and (answer := self._define(request, term)):
            return answer
        # A bare "Why?" ranks by the sentence the reader is at, and quoting that back is no answer.
        asks_something = bool(terms(request.question) or terms(request.selected_text))
        found = [r for r in rank(request, _CONSIDERED) if r.coverage >= ENOUGH_COVERAGE]
        if not (asks_something and found):
            return str(self._phrases["not_found"]), "text"
        chosen = [r for r in found[:2] if r.score >= _SECOND_QUOTE_SHARE * found[0].score]
        index = index_of(request)
        quotes = [_quote_of_ranked(index, ranked, request) for ranked in chosen]
        return self._say("answer" if len(quotes) == 1 else "answers", quotes), "text"

    def _define(self, request: TutorRequest, term: str) -> tuple[str, ResponseType] | None:
        """Return what the text says of the term, else a sentence that uses it, else None."""
        index = index_of(request)
        stems = set(terms(term))
        finder = DefinitionFinder(term)
        candidates = []
        for number in index.holding(stems, visible_to_word=request.visible_to_word):
            sentence = index.sentences[number]
            if strength := finder.strength(sentence.text):
                distance = abs(sentence.first_word - request.word_index)
                candidates.append((-strength, distance, number))
        if not candidates:
            return None
        candidates.sort()
        best_strength = -candidates[0][0]
        if best_strength == 1:
            number = candidates[0][2]
            quote = _quote(index, range(number, number + 1), request)
            return self._say("in_use", [quote], term=term), "text"
        quotes: dict[int, _Quote] = {}
        for negative, _, number in candidates:
            position = index.paragraph_of[number]
            if negative > -2 or position in quotes:
                continue
            # "This pangram contains…" speaks of the sentence before it, which is the pangram.
            leans = negative == -2 and number - 1 in index.sentences_of[position]
            quotes[position] = _quote(index, range(number - leans, number + 1), request)
            if len(quotes) == 2:
                break
        return self._say("definition", list(quotes.values())), "definition"

    def _say(self, phrase: str, quotes: list[_Quote], *, term: str = "") -> str:
        lead = str(self._phrases[phrase]).replace("{term}", term)
        return " ".join([lead, *map(str, quotes)])


def _quote_of_ranked(index: TextIndex, ranked: Ranked, request: TutorRequest) -> _Quote:
    """Return the best sentence of a paragraph, with the one neighbour that it needs to be understood."""
    number = ranked.sentence_number
    own = index.sentences_of[index.paragraph_of[number]]
    visible = index.last_visible(visible_to_word=request.visible_to_word)
    first = _first_word(ranked.sentence)
    ends_open = ranked.sentence.text.rstrip("'\"’”)").endswith(("?", ":"))
    short = ranked.sentence.word_count < _SHORT_SENTENCE
    if (ends_open or short) and number + 1 in own and number + 1 < visible:
        return _quote(index, range(number, number + 2), request)
    if (first in _LEANS_BACK or short) and number - 1 in own:
        return _quote(index, range(number - 1, number + 1), request)
    return _quote(index, range(number, number + 1), request)


def _first_word(sentence: Sentence) -> str:
    return sentence.text.split()[0].strip("\"'“‘(").casefold()


def _quote(index: TextIndex, numbers: range, request: TutorRequest) -> _Quote:
    """Quote these sentences of one paragraph; of a very long one, the part with most of what was asked."""
    paragraph = index.paragraphs[index.paragraph_of[numbers.start]]
    words = " ".join(index.sentences[number].text for number in numbers).split()
    if len(words) <= _LONG_QUOTE:
        return _Quote(paragraph, " ".join(words))
    asked = set(terms(request.question))
    hits = [bool(asked & set(terms(word))) for word in words]
    starts = range(len(words) - _WINDOW + 1)
    most = max(sum(hits[start : start + _WINDOW]) for start in starts)
    best = [start for start in starts if sum(hits[start : start + _WINDOW]) == most]
    start = best[len(best) // 2]  # what was asked stands in the middle, not at an edge
    before = "… " if start else ""
    after = " …" if start + _WINDOW < len(words) else ""
    return _Quote(paragraph, before + " ".join(words[start : start + _WINDOW]) + after)
