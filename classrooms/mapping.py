"""From the words of a text as it was to its words as it is now.

`services.texts` calls `map_words` when a text is edited, and tells the result to whoever keeps places in it. Pure
functions: no database, no models. Times grow with the length of the text, not with its square.
"""

import difflib
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from .plaintext import words

# difflib compares every word with its likes: up to so many pairs it is worth its thoroughness.
_PAIRS_AT_MOST = 100_000
_GONE = -1


@dataclass(frozen=True, slots=True)
class WordMap:
    """Where the words of the old text are in the new one, by their indexes in the whole text.

    `exact` holds for each old word the index of the same word, or -1 where it is gone; `places` the index at which
    someone who was at the old word now is.
    """

    exact: Sequence[int]
    places: Sequence[int]

    def place_of(self, index: int) -> int:
        """Return where a reader of the old word `index` is now: at the same word, or where its like stands."""
        return self.places[min(max(index, 0), len(self.places) - 1)]

    def range_of(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the new indexes of the old words `first` to `last`, if all are there in a row, else None."""
        if not 0 <= first <= last < len(self.exact):
            return None
        start = self.exact[first]
        same = start != _GONE and all(self.exact[first + step] == start + step for step in range(last - first + 1))
        return (start, start + last - first) if same else None

    @property
    def kept(self) -> float:
        """The share of the old words that are still there, 0 to 1."""
        return 1 - self.exact.count(_GONE) / len(self.exact)


def map_words(old: Sequence[str], new: Sequence[str]) -> WordMap:
    """Return how the words of the old passages, each a tidied text, stand in the new ones.

    Passages that stayed are matched whole, those that were moved too; words between them are compared in order,
    case and punctuation aside. Neither text may be without words.
    """
    old_words, new_words = [words(text) for text in old], [words(text) for text in new]
    old_starts, new_starts = _starts(old_words), _starts(new_words)
    exact = array("q", [_GONE]) * old_starts[-1]
    pairs = list(_align(old, new))
    matched = dict(pairs)
    matched |= dict(_moved(old, new, matched))
    for mine, yours in matched.items():
        first, target = old_starts[mine], new_starts[yours]
        exact[first:old_starts[mine + 1]] = array("q", range(target, target + len(old_words[mine])))
    taken = set(matched.values())
    for mine, yours in _gaps(pairs, len(old), len(new)):
        before = [(old_starts[at] + step, word) for at in mine if at not in matched
                  for step, word in enumerate(old_words[at])]
        after = [(new_starts[at] + step, word) for at in yours if at not in taken
                 for step, word in enumerate(new_words[at])]
        for one, other in _align([_bare(word) for _, word in before], [_bare(word) for _, word in after]):
            exact[before[one][0]] = after[other][0]
    return WordMap(exact, _places(exact, new_starts[-1]))


def _starts(passages: list[list[str]]) -> list[int]:
    """Return the index of each passage's first word, and at the end the number of words."""
    return [0, *accumulate(len(passage) for passage in passages)]


def _bare(word: str) -> str:
    """Return a word as it is compared: without case and punctuation, unless it is nothing else."""
    return "".join(character for character in word.casefold() if character.isalnum()) or word


def _moved(old: Sequence[str], new: Sequence[str], matched: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the passages that stand elsewhere in the new text, word for word."""
    taken = set(matched.values())
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for at, text in enumerate(new):
        if at not in taken:
            waiting[text].append(at)
    for at, text in enumerate(old):
        if at not in matched and waiting.get(text):
            yield at, waiting[text].popleft()


def _gaps(pairs: list[tuple[int, int]], old: int, new: int) -> Iterator[tuple[range, range]]:
    """Yield what lies between pairs, before the first and behind the last, where it is not empty on either side."""
    mine = yours = 0
    for one, other in chain(pairs, [(old, new)]):
        if mine < one and yours < other:
            yield range(mine, one), range(yours, other)
        mine, yours = one + 1, other + 1


def _align(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of equal items of both, in order.

    Equal ends go first, then what is single on both sides and in order pins the rest down (Cohen's patience diff);
    what lies between such pins is aligned the same way, and where there are none by difflib, if it is short enough.
    """
    waiting = [(0, len(old), 0, len(new))]
    found: list[tuple[int, int]] = []
    while waiting:
        first, last, start, end = waiting.pop()
        while first < last and start < end and old[first] == new[start]:
            found.append((first, start))
            first, start = first + 1, start + 1
        while first < last and start < end and old[last - 1] == new[end - 1]:
            last, end = last - 1, end - 1
            found.append((last, end))
        if first == last or start == end:
            continue
        pins = _pins(old, new, first, last, start, end)
        if pins:
            found += pins
            waiting += [(first + mine.start, first + mine.stop, start + yours.start, start + yours.stop)
                        for mine, yours in _gaps([(one - first, other - start) for one, other in pins],
                                                 last - first, end - start)]
        elif (last - first) * (end - start) <= _PAIRS_AT_MOST:
            matcher = difflib.SequenceMatcher(None, old[first:last], new[start:end], autojunk=False)
            found += [(first + one + step, start + other + step)
                      for one, other, size in matcher.get_matching_blocks() for step in range(size)]
    yield from sorted(found)


def _pins(old: Sequence[str], new: Sequence[str], first: int, last: int, start: int, end: int) -> list[tuple[int, int]]:
    """Return the longest run of pairs, growing on both sides, of items that are single in both stretches."""
    counted, counts = Counter(old[first:last]), Counter(new[start:end])
    single = {new[at]: at for at in range(start, end) if counts[new[at]] == 1 == counted[new[at]]}
    pairs = [(at, single[old[at]]) for at in range(first, last) if old[at] in single]
    tops: list[int] = []  # the least end of a growing run of each length
    ends: list[int] = []  # which pair that is
    before: list[int] = []  # of each pair, the pair before it in its run
    for number, (_, target) in enumerate(pairs):
        length = bisect_right(tops, target)
        before.append(ends[length - 1] if length else -1)
        tops[length:length + 1] = [target]
        ends[length:length + 1] = [number]
    run, at = [], ends[-1] if ends else -1
    while at >= 0:
        run.append(pairs[at])
        at = before[at]
    return run[::-1]


def _places(exact: Sequence[int], length: int) -> Sequence[int]:
    """Return a place in the new text for every old word; one that is gone falls between its neighbours."""
    places = array("q", exact)
    at = 0
    while at < len(places):
        if exact[at] != _GONE:
            at += 1
            continue
        end = next((other for other in range(at, len(exact)) if exact[other] != _GONE), len(exact))
        low = exact[at - 1] + 1 if at else 0
        high = exact[end] if end < len(exact) else length
        room = max(0, high - low)  # neighbours may have changed sides: then behind the earlier one
        for step in range(end - at):
            places[at + step] = min(low + step * room // (end - at), length - 1)
        at = end
    return places
