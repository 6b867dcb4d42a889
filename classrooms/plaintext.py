"""Bytes to text, text to words and sentences: what a word is, for the server and the browser alike.

`importing` calls `decode` on uploads and builds every passage with `tidy_line`; whoever needs sentences of a
passage (the reading page, the passage helper) calls `split_sentences`. Nothing here knows chapters or pages.
"""

import re
from dataclasses import dataclass
from string import ascii_letters
from unicodedata import combining, normalize

# Python's str.split() and JavaScript's split(/\s+/) differ on U+001C to U+001F, U+0085 (only Python) and
# U+FEFF (only JavaScript). All controls, and the format characters that only steer layout or hide text (tag
# characters can carry words no reader sees), go; lone surrogates go too, because no database stores them.
# Joiners that spell words (U+200C, U+200D) and visible format characters (Arabic number signs, hieroglyph
# joiners) stay.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)
# Normalising sorts the marks on a letter in quadratic time: 80,000 of them took 4 s. Unicode's Stream-Safe
# Text Format (UAX #15) allows 30 in a row, far more than any script writes. `_MARKS` finds where that many
# could stand (no combining mark is a letter, digit or space).
_MARKS_AT_MOST = 30
_MARKS = re.compile(rf"[^\w\s\x00-\u02ff]{{{_MARKS_AT_MOST + 1},}}")
_JOINERS = "\u034f\u200c\u200d\ufe0e\ufe0f"

OPENERS = "\"'([{“‘«„‹¿¡"
CLOSERS = "\"')]}”’»›"
SENTENCE_ENDS = ".!?…。！？"

_NEVER_LAST = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "messrs",
        "dr",
        "st",
        "prof",
        "rev",
        "hon",
        "capt",
        "col",
        "gen",
        "lt",
        "sgt",
        "maj",
        "cmdr",
        "mme",
        "mlle",
        "mt",
        "vs",
        "e.g",
        "i.e",
        "cf",
        "viz",
    }
)
_BEFORE_NUMBERS = frozenset(
    {
        "no",
        "nos",
        "p",
        "pp",
        "fig",
        "figs",
        "vol",
        "ch",
        "art",
        "sec",
        "c",
        "ca",
    }
)
_SENTENCE_STARTERS = frozenset(
    {
        "A",
        "An",
        "And",
        "As",
        "At",
        "But",
        "For",
        "From",
        "He",
        "Her",
        "His",
        "I",
        "If",
        "In",
        "It",
        "Its",
        "My",
        "No",
        "On",
        "Our",
        "She",
        "So",
        "That",
        "The",
        "Their",
        "Then",
        "There",
        "These",
        "They",
        "This",
        "To",
        "We",
        "What",
        "When",
        "Where",
        "Who",
        "Why",
        "You",
        "Your",
    }
)
_SAYING = frozenset(
    {
        "said",
        "says",
        "asked",
        "asks",
        "cried",
        "replied",
        "answered",
        "thought",
        "whispered",
        "shouted",
        "called",
        "muttered",
        "added",
    }
)


class UnreadableText(ValueError):
    """A text that cannot be imported.

    `code` is "empty" (no letter or digit in it), "binary" (not a plain text file) or "undecodable" (a text in
    an encoding that is not recognised, or a damaged one); views turn the code into words for the teacher.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage; `first_word` counts from the passage's first word, which is 0."""

    text: str
    first_word: int
    word_count: int


def decode(data: bytes) -> str:
    """Return the text of an uploaded file, without its byte order mark.

    UTF-8 with or without a mark, UTF-16 with one, else Windows-1252 where that is plausible. Raises
    UnreadableText("empty" | "binary" | "undecodable").
    """
    if not data.strip():
        raise UnreadableText("empty")
    if data.startswith((b"%PDF-", b"PK\x03\x04", b"{\\rtf")):
        raise UnreadableText("binary")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = _decode_strictly(data=data, encoding="utf-16")
        _refuse_binary(text)
    else:
        _refuse_binary(data.decode("latin-1"))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = _decode_windows(data)
    if not text.strip():
        raise UnreadableText("empty")
    return text


def _refuse_binary(text: str) -> None:
    """Raise UnreadableText("binary") for a NUL, or more than one control in a hundred characters."""
    controls = sum(text.count(chr(code)) for code in range(0x20) if not 0x09 <= code <= 0x0D)
    if "\0" in text or controls * 100 > len(text):
        raise UnreadableText("binary")


def _decode_strictly(*, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableText("undecodable") from error


def _decode_windows(data: bytes) -> str:
    """Return Windows-1252 text; refuse damaged UTF-8, and scripts whose letters all lie above ASCII."""
    as_utf8 = data.decode("utf-8", "replace")
    wrong = as_utf8.count("\ufffd")
    right = len(as_utf8) - len(as_utf8.encode("ascii", "ignore")) - wrong
    above_ascii = len(data) - len(data.translate(None, bytes(range(0x80, 0x100))))
    letters = len(data) - len(data.translate(None, ascii_letters.encode()))
    if right > wrong or above_ascii > letters:
        raise UnreadableText("undecodable")
    return _decode_strictly(data=data, encoding="cp1252")


def clean_text(raw: str) -> str:
    """Return `raw` in NFC with lines ended by one newline and without controls and zero-width characters."""
    ended = raw.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    return _normalize(drop_invisible(ended))


def tidy_line(raw: str) -> str:
    """Return `raw` as one line: NFC, single spaces, no invisible characters and no invisible words."""
    return _normalize(" ".join(word for word in drop_invisible(raw).split() if is_visible(word)))


def drop_invisible(raw: str) -> str:
    """Return `raw` without controls and characters that take no room; words between them grow together."""
    return _INVISIBLE.sub("", raw)


def is_visible(word: str) -> bool:
    """Return whether anything of a word is left to see: one made of joiners alone is none."""
    return bool(word.strip(_JOINERS))


def _normalize(text: str) -> str:
    return text if text.isascii() else normalize("NFC", _MARKS.sub(_limit_marks, text))


def _limit_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if combining(character) else 0
        if marks <= _MARKS_AT_MOST:
            kept.append(character)
    return "".join(kept)


def words(text: str) -> list[str]:
    """Return the words of a tidied text: what stands between spaces."""
    return text.split()


def ends_sentence(text: str) -> bool:
    """Return whether the text's last mark, closing quotes and brackets aside, ends a sentence."""
    return text.rstrip().rstrip(CLOSERS).endswith(tuple(SENTENCE_ENDS))


def split_sentences(text: str) -> list[Sentence]:
    """Return the sentences of a tidied passage; their texts joined by one space are the passage."""
    tokens = words(text)
    sentences, start = [], 0
    for last in range(len(tokens)):
        if last + 1 == len(tokens) or _is_sentence_end(tokens=tokens, start=start, last=last):
            sentences.append(Sentence(" ".join(tokens[start : last + 1]), start, last + 1 - start))
            start = last + 1
    return sentences


def _is_sentence_end(*, tokens: list[str], start: int, last: int) -> bool:
    """Return whether the sentence begun at `start` ends with the word `last`, which others follow."""
    token = tokens[last]
    core = token.rstrip(CLOSERS)
    if not core and last > start:  # a quotation mark standing alone, as in French: « Oh ! »
        core = tokens[last - 1].rstrip(CLOSERS)
    if not core or core[-1] not in SENTENCE_ENDS:
        return False
    opener = tokens[last + 1] in ("«", "‹", "“", "(", "[") and last + 2 < len(tokens)
    following = tokens[last + 2 if opener else last + 1].lstrip(OPENERS + "-—–*_")
    if not following or not following[0].isalnum() or following[0].islower():
        return False
    if token[-1] in CLOSERS and last + 2 < len(tokens) and tokens[last + 2].rstrip(".,:;") in _SAYING:
        return False
    if core.endswith(("...", "…")):
        return following.rstrip(".,!?") != "I" and not following.startswith(("I’", "I'"))
    if core[-1] != ".":
        return True
    return not _is_abbreviation(stem=core[:-1].lstrip(OPENERS), following=following, opens=last == start)


def _is_abbreviation(*, stem: str, following: str, opens: bool) -> bool:
    """Return whether the full stop after `stem` belongs to the word rather than to the sentence."""
    if stem.isdigit():
        return opens  # the number of a list: "1. Wash your hands."
    if stem.lower() in _NEVER_LAST:
        return True
    if stem.lower() in _BEFORE_NUMBERS:
        return following[0].isdigit()
    initials = all(len(letter) == 1 and letter.isupper() for letter in stem.split("."))
    # "It was I. Then …": a lone I ends a sentence unless more initials follow ("I. M. Pei").
    if initials and (stem != "I" or following[1:2] == "."):
        return following.rstrip(CLOSERS + ".,!?") not in _SENTENCE_STARTERS or following[1:2] == "."
    return False
