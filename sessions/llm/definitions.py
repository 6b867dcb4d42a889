"""Questions that ask what something is, and the sentences of a text that say it.

Called by `passage_helper`. A text for children explains its words in few ways ("A pangram is a sentence
that…", "a home called a burrow", "This pangram contains…"); these are looked for by pattern, not guessed.
"""

import re
from dataclasses import dataclass

from .english import terms

_ARTICLE = r"(?:(?:an?|the|some|any|this|these|that)\s+)?"
_THE_WORD = r"(?:the\s+words?\s+)?"
_TERM = r"[\"'“‘«]?(?P<term>[\w’'-]+(?:\s+[\w’'-]+){0,2})[\"'”’»]?"
_QUESTIONS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"wh(?:at|o)(?:\s+(?:is|are|was|were)|['’]s|['’]re)\s+(?:meant\s+by\s+)?{_ARTICLE}{_TERM}",
        rf"what\s+do(?:es)?\s+{_THE_WORD}{_ARTICLE}{_TERM}\s+mean",
        rf"(?:what(?:\s+is|['’]s)\s+)?the\s+(?:meaning|definition)\s+of\s+{_THE_WORD}{_ARTICLE}{_TERM}",
        rf"(?:please\s+)?(?:define|explain)\s+{_THE_WORD}{_ARTICLE}{_TERM}",
        r"[\"'“‘«]?(?P<term>[\w’'-]+)[\"'”’»]?",
    )
]
# "What is the Queen doing?", "Who is at the door?": about an event, not about a word.
_NOT_A_TERM = re.compile(
    r"\b(?:\w{2,}ing|of|in|on|at|to|for|from|with|by|made|called|about|after|before|like|going|wrong)\b",
    re.IGNORECASE,
)


def asked_term(question: str, *, selected_text: str = "") -> str | None:
    """Return the word or name (at most three words) that the question asks the meaning of, else None.

    "What does this mean?" asks for the selected words.
    """
    question = " ".join(question.split()).strip(" ?!.")
    for pattern in _QUESTIONS:
        match = pattern.fullmatch(question)
        if not match:
            continue
        term = match["term"].strip("'’")
        if terms(term) and not (" " in term and _NOT_A_TERM.search(term)):
            return term
    selected = selected_text.strip(" \"'“”‘’«».,;:!?()")
    if selected and len(selected.split()) <= 3 and not terms(question):
        return selected
    return None


@dataclass(frozen=True, slots=True)
class _Pattern:
    strength: int  # 3 says what it is, 2 says something of it as if it were known from the sentence before
    text: str  # a regular expression; TERM stands for the term asked for


_IS = r"(?:is|are|was|were)"
_CLOSE = r"[\"'”’]?"
_WHAT_IT_IS = r"(?:an?|the|any|one|what|when|where|something|someone|people|animals?|places?|things?|tiny)\b"
_PATTERNS = [
    _Pattern(3, rf"(?:^|[\s\"'“‘(])(?:an?\s|the\s)?TERM{_CLOSE},?\s+{_IS}\s+{_WHAT_IT_IS}"),
    _Pattern(3, rf"\bTERM{_CLOSE}\s+(?:means?|meant|{_IS}\s+another\s+word\s+for)\b"),
    _Pattern(3, r"\b(?:called|named|known\s+as|word\s+for\s+\w+\s+is)\s+(?:an?\s+|the\s+)?[\"'“‘]?TERM\b"),
    _Pattern(3, rf"\bTERM{_CLOSE}\s*(?:,|--|—|–|\()\s*(?:that\s+is|which\s+{_IS}|which\s+means|meaning)\b"),
    _Pattern(2, rf"\bTERM{_CLOSE}\s*(?:,|--|—|–|\()\s*(?:or\s+)?an?\s+\w+"),
    _Pattern(2, r"^[\"'“‘]?(?:this|these|such\s+an?)\s+TERM\b"),
]


class DefinitionFinder:
    """Tells for any sentence how well it explains one term."""

    def __init__(self, term: str) -> None:
        words = [re.escape(word) for word in re.split(r"\s+", term.strip())]
        # "burrows" asks for "burrow" and the other way round.
        last = words[-1]
        last = re.escape(term.split()[-1][:-1]) + "s?" if last.lower().endswith("s") else f"{last}(?:e?s)?"
        words[-1] = last
        spelled = r"\s+".join(words)
        self._named = re.compile(rf"\b{spelled}\b", re.IGNORECASE)
        self._patterns = [
            (pattern.strength, re.compile(pattern.text.replace("TERM", f"(?:{spelled})"), re.IGNORECASE))
            for pattern in _PATTERNS
        ]

    def strength(self, sentence: str) -> int:
        """Return 3 for a definition, 2 for a description, 1 where the term merely stands, 0 without it."""
        if not self._named.search(sentence):
            return 0
        return next((strength for strength, pattern in self._patterns if pattern.search(sentence)), 1)
