"""The four texts a school sees first: that they import well and hold what the tour asks about."""

from pathlib import Path

import pytest

from classrooms import importing
from classrooms.importing import decode, import_text

from .test_importing import check_promises

DEMO = Path(importing.__file__).parent / "demo"


@pytest.mark.parametrize(
    ("name", "title", "at_least", "at_most"),
    [
        ("the-lighthouse-keeper.txt", "The Lighthouse Keeper", 2600, 3200),
        ("a-burrow-is-a-home.txt", "A Burrow Is a Home", 600, 850),
        ("how-bread-rises.txt", "How Bread Rises", 1300, 1700),
        ("the-map-of-the-drowned-street.txt", "The Map of the Drowned Street", 2300, 2800),
    ],
)
def test_demo_texts_are_ready_for_a_class(name, title, at_least, at_most):
    text = import_text(decode((DEMO / name).read_bytes()))
    assert text.title == title
    assert at_least <= text.word_count <= at_most
    assert text.chapter_count >= 4
    check_promises(text)


def test_a_student_who_reads_two_pages_meets_the_pangram():
    text = import_text(decode((DEMO / "the-lighthouse-keeper.txt").read_bytes()))
    pangram = (
        "The quick brown fox jumps over the lazy dog. This pangram contains every letter of the alphabet."
    )
    [place] = [at for at, passage in enumerate(text.passages) if passage.text == pangram]
    assert text.passages[place].page == text.passages[place + 1].page <= 2
    assert text.passages[place].number > 3
    assert "A pangram is a sentence" in text.passages[place + 1].text
