"""How often the passage helper's ranking finds the paragraph that answers, and refuses what none answers.

    python -m tests.load.ranking alice-in-wonderland.txt [tests/load/ranking_alice.toml]

Each question is asked from four places: right after its answer, 300 and 3,000 words later, at the end of the
text. Each unanswerable one from a fifth of the text, from the middle, and from the end. Needs no database.
"""

import argparse
import time
import tomllib
from pathlib import Path

from classrooms.importing import decode, import_text
from sessions.llm import Paragraph, TutorRequest
from sessions.llm.passage_helper import PassageHelper
from sessions.llm.ranking import TextIndex, rank

PAGE_WORDS = 200  # what the reader sees beyond the place


def main() -> None:
    """Print the figures and what was missed."""
    parser = argparse.ArgumentParser(description="Measure the ranking on a text and its questions")
    parser.add_argument("text", type=Path)
    default = Path(__file__).with_name("ranking_alice.toml")
    parser.add_argument("questions", type=Path, nargs="?", default=default)
    options = parser.parse_args()
    asked = tomllib.loads(options.questions.read_text(encoding="utf-8"))
    imported = import_text(decode(options.text.read_bytes()))
    paragraphs = [Paragraph(p.number, p.text, p.first_word, p.chapter) for p in imported.passages]
    words = imported.word_count

    def request(question: str, place: int) -> TutorRequest:
        return TutorRequest(
            question=question,
            paragraphs=paragraphs,
            text_key="measured:1",
            word_index=place,
            furthest_word_index=place,
            visible_to_word=min(words, place + PAGE_WORDS),
            reading_level="ages 9 to 11",
            language="en",
        )

    began = time.perf_counter()
    TextIndex(paragraphs)
    print(f"{words} words, {len(paragraphs)} passages, index {1000 * (time.perf_counter() - began):.0f} ms")

    helper = PassageHelper()
    refusal = helper.answer(request("zzzz qqqq?", words - 1))[0]
    spent = 0.0
    for later in (0, 300, 3_000, words):
        first = third = quoted = refused = 0
        missed = []
        for question in asked["question"]:
            holding = [p for p in paragraphs if any(phrase in p.text for phrase in question["answers"])]
            end = holding[0].first_word + len(holding[0].text.split())
            at = request(question["ask"], min(words - 1, end + later))
            began = time.perf_counter()
            found = [ranked.paragraph in holding for ranked in rank(at, 3)]
            spent += time.perf_counter() - began
            first += found[:1] == [True]
            third += any(found)
            answer = helper.answer(at)[0]
            quoted += any(f"[¶{p.number}]" in answer for p in holding)
            refused += answer == refusal
            if not any(found):
                missed.append(question["ask"])
        print(
            f"{later:>6} words later: first {first}, in three {third}, quoted by the helper {quoted}, "
            f"refused {refused} of {len(asked['question'])}; not in three: {missed}"
        )
    print(f"rank: {1000 * spent / 4 / len(asked['question']):.2f} ms a question")

    answered = []
    places = (words // 5, words // 2, words - 1)
    for question in asked["unanswerable"]:
        for place in places:
            if helper.answer(request(question["ask"], place))[0] != refusal:
                answered.append((question["ask"], place))
    total = len(asked["unanswerable"]) * len(places)
    print(f"unanswerable: {total - len(answered)} of {total} refused; answered: {answered}")


if __name__ == "__main__":
    main()
