"""Where the words of an edited text went."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classrooms.mapping import map_words

OLD = ["A burrow is a home.", "The quick brown fox jumps.", "The keeper wrote each word on a card."]


def went(old: list[str], new: list[str]) -> dict[str, str | None]:
    """Return, for each old word that is there once, the new word it went to, None where it is gone."""
    before, after = " ".join(old).split(), " ".join(new).split()
    words = map_words(old, new)
    return {word: after[words.exact[at]] if words.exact[at] >= 0 else None for at, word in enumerate(before)}


def test_a_text_that_stays_maps_onto_itself():
    words = map_words(OLD, OLD)
    assert list(words.exact) == list(words.places) == list(range(18)) and words.kept == 1


def test_a_new_paragraph_moves_what_stands_behind_it():
    words = map_words(OLD, [OLD[0], "Foxes dig too.", *OLD[1:]])
    assert list(words.exact) == [*range(5), *range(8, 21)]


def test_a_corrected_word_keeps_its_neighbours():
    assert went(OLD, [OLD[0], "The swift, brown fox leaps!", OLD[2]]) | {} == {
        **{word: word for word in " ".join(OLD).split()}, "quick": None, "jumps.": None}
    words = map_words(OLD, [OLD[0], "The swift, brown fox leaps!", OLD[2]])
    assert words.place_of(6) == 6 and words.place_of(9) == 9  # where their like stands now
    assert words.range_of(7, 8) == (7, 8) and words.range_of(5, 8) is None and words.range_of(8, 9) is None


def test_case_and_punctuation_make_no_other_word():
    assert map_words(["“The fox,” he said."], ["the FOX — he said"]).range_of(0, 1) == (0, 1)


def test_paragraphs_that_were_joined_split_or_moved_keep_their_words():
    assert map_words(OLD, [" ".join(OLD)]).kept == map_words([" ".join(OLD)], OLD).kept == 1
    words = map_words(OLD, [OLD[2], OLD[0], OLD[1]])
    assert words.kept == 1 and words.place_of(0) == 8 and words.place_of(10) == 0


def test_what_is_gone_falls_between_its_neighbours():
    words = map_words(OLD, [OLD[0], OLD[2]])
    assert [words.place_of(at) for at in range(5, 10)] == [5] * 5
    assert words.range_of(5, 6) is None and words.range_of(4, 5) is None
    words = map_words(OLD, OLD[:1])
    assert words.place_of(17) == 4  # the last word there is
    words = map_words(["one two three four"], ["five six"])
    assert list(words.places) == [0, 0, 1, 1] and words.kept == 0


def test_a_place_outside_the_old_text_is_its_nearest():
    words = map_words(OLD, OLD)
    assert (words.place_of(-5), words.place_of(99)) == (0, 17)
    assert words.range_of(-1, 2) is words.range_of(3, 99) is words.range_of(5, 2) is None


WORDS = st.lists(st.lists(st.sampled_from("the fox dog a ran. home! —".split()), min_size=1, max_size=8).map(" ".join),
                 min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_every_word_has_one_place_and_only_equal_words_are_the_same(old, new):
    words = map_words(old, new)
    before, after = " ".join(old).split(), " ".join(new).split()
    assert len(words.exact) == len(words.places) == len(before)
    found = [at for at in words.exact if at >= 0]
    assert len(found) == len(set(found))
    bare = [word.strip(".!") for word in before], [word.strip(".!") for word in after]
    assert all(bare[0][at] == bare[1][target] for at, target in enumerate(words.exact) if target >= 0)
    assert all(0 <= at < len(after) for at in words.places)
    assert all(place == exact for place, exact in zip(words.places, words.exact, strict=True) if exact >= 0)


class Counted(str):
    """Text whose comparisons are counted."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


@pytest.mark.parametrize("count", [500, 4_000])
def test_the_work_grows_with_the_text_and_not_with_its_square(count):
    chance = random.Random(7)
    old = [Counted(f"paragraph {number} of many") for number in range(count)]
    new = [paragraph if chance.random() > 0.1 else Counted(f"{paragraph} changed") for paragraph in old]
    Counted.compared = 0
    assert map_words(old, new).kept == 1
    assert Counted.compared < 20 * count
