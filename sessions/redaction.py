"""What is taken out of a question before a model sees it: names of the class, e-mail addresses, phone numbers.

The tutor calls `redacted_request` for every request that leaves the house. What stands in the text stays, whoever is
called like it: a classmate called Alice must not erase Wonderland's. The stored question is never changed.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from sessions.llm.contract import TutorRequest
from sessions.llm.english import STOPWORDS

# For the model to read, in the language of its instructions.
NAME, E_MAIL, PHONE = "[name]", "[e-mail address]", "[phone number]"

# Nicknames and user names that are also said of nobody in particular.
_EVERYDAY = STOPWORDS | {"teacher", "student", "pupil", "class", "school", "admin", "user", "test", "reader", "demo"}
_SHORTEST = 2  # letters; one letter or a bare number names nobody
_DIGITS = "0123456789"

_E_MAIL = re.compile(
    r"[\w.+'-]{1,64}(?:@|\s?[(\[]\s?at\s?[)\]]\s?)[\w-]{1,63}(?:(?:\.|\s?[(\[]\s?dot\s?[)\]]\s?)[\w-]{1,63}){1,5}"
    r"|\b[\w.+-]{1,64} at [\w-]{1,63} dot (?:com|org|net|edu|info|co|[a-z]{2})\b", re.IGNORECASE)
# Seven to fifteen digits with what people put between them; years from-to and dates are no phone numbers.
_PHONE = re.compile(r"(?<!\w)(?:\+\s?|\()?\d(?:[\s()./\-–]{0,3}\d){6,14}(?!\w)")
_NO_PHONE = re.compile(
    r"(?:1\d|20)\d\d\s?[-–/]\s?(?:1\d|20)\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}")
# A word, with accents written apart and with what cannot be seen in it: al<zero-width space>ice is alice.
_WORD = re.compile("[^\\W_](?:[^\\W_]|[\u0300-\u036f\u200b-\u200f\u2060\ufeff\u00ad])*")
# Scripts that put no spaces between words: there a name is looked for as it stands.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")


def redacted_request(request: TutorRequest, *, names: Iterable[str]) -> TutorRequest:
    """Return the request without the names of the class, e-mail addresses and phone numbers. Uses the CPU.

    Also where a page sends words of the text: a client may put anything in their place.
    """
    text = Book([request.title, *(paragraph.text for paragraph in request.paragraphs)])
    names = list(names)
    fields = ("question", "student_thought", "current_sentence", "selected_text", "reading_level")
    return replace(request, **{field: redact(getattr(request, field), names=names, text=text) for field in fields})


class Book:
    """The text that is read, as what may stay in a question about it."""

    def __init__(self, passages: Sequence[str]):
        self._passages = passages

    def has_words(self, keys: Sequence[str]) -> bool:
        return f" {' '.join(keys)} " in self._keys

    def has(self, literal: str) -> bool:
        return literal in self._whole

    # Worked out for the first candidate: most questions have none.

    @cached_property
    def _whole(self) -> str:
        return "\n".join(self._passages)

    @cached_property
    def _keys(self) -> str:
        return f" {' '.join(key for key, _, _ in _words(self._whole))} "


def redact(typed: str, *, names: Iterable[str], text: Book) -> str:
    """Return what a student typed with NAME, E_MAIL and PHONE in the place of what they may not tell a stranger."""
    typed = unicodedata.normalize("NFC", typed)
    typed = _E_MAIL.sub(lambda found: found[0] if text.has(found[0]) else E_MAIL, typed)
    typed = _PHONE.sub(lambda found: found[0] if _NO_PHONE.fullmatch(found[0]) or text.has(found[0]) else PHONE, typed)
    return _without_names(typed, names, text)


def _without_names(typed: str, names: Iterable[str], text: Book) -> str:
    words = _words(typed)
    present = {key for key, _, _ in words} | {key.removesuffix("s") for key, _, _ in words}
    spans: list[tuple[int, int]] = []
    for name in names:
        if _UNSPACED.search(name):
            if len(name) >= _SHORTEST and name in typed and not text.has(name):
                spans += [found.span() for found in re.finditer(re.escape(name), typed)]
            continue
        keys = [key for key, _, _ in _words(name)]
        # Anna Maria is also written annamaria and called Anna; Mia2012 is called Mia.
        for wanted in [keys, ["".join(keys)], *([key] for key in keys)] if len(keys) > 1 else [keys]:
            if _names_somebody(wanted) and wanted[0] in present:
                spans += _places(words, wanted, typed, text)
        for called in {key.rstrip(_DIGITS) for key in keys} - {*keys}:
            if _names_somebody([called]) and called in present:
                spans += _places(words, [called], typed, text, is_word=True)
    for start, end in sorted(_joined(spans), reverse=True):
        typed = typed[:start] + NAME + typed[end:]
    return typed


def _names_somebody(keys: list[str]) -> bool:
    return sum(letter.isalpha() for key in keys for letter in key) >= _SHORTEST


def _places(words: list, wanted: list[str], typed: str, text: Book, *, is_word: bool = False) -> list[tuple[int, int]]:
    """Return where a name stands in what was typed and is not the text's; with a child's "alices book" too.

    What `is_word` beside a name, as the fox in Fox7, is one only where it is written as one.
    """
    found = []
    for at in range(len(words) - len(wanted) + 1):
        keys = [key for key, _, _ in words[at:at + len(wanted)]]
        is_name = keys == wanted or (keys[:-1] == wanted[:-1] and keys[-1] == wanted[-1] + "s")
        if not is_name or text.has_words(keys) or text.has_words(wanted):
            continue
        start, end = words[at][1], words[at + len(wanted) - 1][2]
        # A word of every day is a name only with a capital inside a sentence: Will, not will.
        if (is_word or len(wanted) == 1 and wanted[0] in _EVERYDAY) and not _is_written_as_name(typed, start):
            continue
        found.append((start, end))
    return found


def _is_written_as_name(typed: str, start: int) -> bool:
    before = typed[:start].rstrip(" \"“‘'(")
    return typed[start].isupper() and bool(before) and before[-1] not in ".!?:\n" and not typed.isupper()


def _words(text: str) -> list[tuple[str, int, int]]:
    """Return each word's key (without case, accents and what cannot be seen), start and end."""
    return [(_key(found[0]), found.start(), found.end()) for found in _WORD.finditer(text)]


def _key(word: str) -> str:
    if word.isascii():
        return word.lower()
    return "".join(sign for sign in unicodedata.normalize("NFKD", word).casefold()
                   if unicodedata.category(sign) not in ("Mn", "Cf"))


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans that do not overlap, those that do made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
