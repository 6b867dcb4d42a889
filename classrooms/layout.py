"""Lines to headings and paragraphs: what the layout of a plain text file means.

`importing` calls `take_gutenberg` and `find_units` and decides which headings are chapters. Nothing here
counts words or pages.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .plaintext import CLOSERS, OPENERS, ends_sentence, split_sentences, tidy_line

# Files are wrapped at 60 to 80 columns, now and then at 100; a longer line is a whole paragraph.
_WRAPPED_AT_MOST = 120
_HEADING_AT_MOST = 200

_GUTENBERG_START = re.compile(r"\s*\*{3}\s*START OF TH(?:E|IS) PROJECT GUTENBERG", re.IGNORECASE)
_SMALL_PRINT = re.compile(r"\s*\*?END\s?\*?\s?THE SMALL PRINT", re.IGNORECASE)
_GUTENBERG_END = re.compile(
    r"\s*(?:\*{3}\s*END OF TH(?:E|IS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg)",
    re.IGNORECASE,
)
_HEADER_FIELD = re.compile(r"(Title|Author):\s*(\S.*)", re.IGNORECASE)
_HEADER_LINE = re.compile(
    r"(?:The )?Project Gutenberg(?:['’]s)?(?: E-?(?:text|book))?(?: of)?,?"
    r" (?P<title>.+?),? by (?P<author>.+)",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"(?:(?:This )?E-?(?:text|book) (?:was )?)?(?:Produced|Prepared|Transcribed|Scanned) (?:by|from)\b",
    re.IGNORECASE,
)

# A thousand characters or so: a bracket that is never closed must not swallow the book.
_ILLUSTRATION = re.compile(r"\[Illustration(?:[^\[\]]|\[[^\[\]]{0,200}\]){0,1000}+\]", re.IGNORECASE)
_EMPHASIS = re.compile(r"(?<!\w)(_{1,2})(?=[^\s_])([^_]++)(?<!\s)\1(?!\w)")
_SEPARATORS = frozenset("*=~•·⁂#—–-")
_INDENTS = ("  ", "\t", "\u3000", "\xa0")
_BULLET = re.compile(r"\s*(?:[-*•–—]|\d{1,2}[.)])\s+\S")
_BYLINE = re.compile(r"(?:written )?by(?: (?P<author>\S+(?: \S+){0,5}))?", re.IGNORECASE)

_MARKDOWN = re.compile(r"(#{1,6})\s+(\S.*)")
_CHAPTER_WORDS = (
    "chapter chap stave canto letter lesson unit chapitre kapitel capítulo capitolo hoofdstuk глава"
)
_PART_WORDS = "part book volume act teil partie parte"
_NUMBERED = re.compile(
    rf"(?P<word>{_CHAPTER_WORDS.replace(' ', '|')}|{_PART_WORDS.replace(' ', '|')})\.?\s+(?:the\s+)?"
    r"(?P<numeral>\w+(?:-\w+)?)(?P<mark>\s*[.:)\]—–-]*)\s*(?P<title>.*)",
    re.IGNORECASE,
)
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_FIRSTS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _spell_numerals() -> dict[str, int]:
    """Return 1 to 99 as Arabic, Roman, cardinal and ordinal numerals in lower case."""
    roman_ones = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
    roman_tens = ("", "x", "xx", "xxx", "xl", "l", "lx", "lxx", "lxxx", "xc")
    numerals = {str(value): value for value in range(1, 100)}
    numerals |= {roman_tens[value // 10] + roman_ones[value % 10]: value for value in range(1, 100)}
    for spelled in (_ONES.split(), _FIRSTS.split()):
        numerals |= {word: value for value, word in enumerate(spelled, start=1)}
        for ten, tens in enumerate(_TENS.split(), start=2):
            numerals |= {tens: ten * 10, f"{tens[:-1]}ieth": ten * 10}
            numerals |= {f"{tens}-{word}": ten * 10 + one for one, word in enumerate(spelled[:9], start=1)}
    return numerals


_NUMERALS = _spell_numerals()


@dataclass(slots=True)
class Unit:
    """A heading or paragraph as found, tidied to one line.

    `rank` says what made it a heading: "chapter" or "part" (such a word and a number), "numeral" (a number
    alone), "#" to "######" (Markdown), "" (capitals, or a paragraph). `number` is its number, 0 without one.
    `bare`: nothing follows the number. `listing`: a paragraph of short lines without stops, as in a contents
    list. `level`, `ordinal` and `marks` are Markdown's, as a Passage has them, but for a heading's level, which
    counts its number signs.
    """

    kind: str
    text: str
    rank: str = ""
    number: int = 0
    bare: bool = False
    listing: bool = False
    level: int = 0
    ordinal: int = 0
    marks: Sequence[tuple[int, int, str]] = ()


def take_gutenberg(text: str) -> tuple[str, str, str]:
    """Return (text, title, author) without Project Gutenberg's header and licence, where it has them."""
    lines = text.split("\n")
    start = next((at for at, line in enumerate(lines) if _GUTENBERG_START.match(line)), None)
    if start is None:
        start = next((at for at, line in enumerate(lines) if _SMALL_PRINT.match(line)), None)
    elif not lines[start].rstrip().endswith("***"):  # a long title runs on
        wrapped = lines[start + 1 : start + 4]
        start += next((at for at, line in enumerate(wrapped, start=1) if line.rstrip().endswith("***")), 0)
    first = 0 if start is None else start + 1
    end = next((at for at in range(first, len(lines)) if _GUTENBERG_END.match(lines[at])), len(lines))
    if start is None:
        return "\n".join(lines[:end]), "", ""
    fields = _read_header(lines[:start])
    body = _skip_credits(lines[first:end])
    return "\n".join(body), fields.get("title", ""), fields.get("author", "")


def _read_header(header: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    field = ""
    for line in header:
        if found := _HEADER_FIELD.match(line):
            field = found[1].lower()
            fields.setdefault(field, tidy_line(found[2])[:_HEADING_AT_MOST])
        elif field and line.strip() and line[0].isspace():
            fields[field] = f"{fields[field]} {tidy_line(line)}"[:_HEADING_AT_MOST]
        else:
            field = ""
    if fields:
        return fields
    named = (_HEADER_LINE.match(line.strip("* \t")) for line in header)
    oldest = next((found.groupdict() for found in named if found), {})
    return {name: tidy_line(value)[:_HEADING_AT_MOST] for name, value in oldest.items()}


def _skip_credits(body: list[str]) -> list[str]:
    """Return the body without the note, ahead of its title, of who made the file."""
    at = next((at for at, line in enumerate(body) if line.strip()), len(body))
    if at == len(body) or not _CREDIT.match(body[at].strip()):
        return body
    while at < len(body) and body[at].strip():
        at += 1
    return body[at:]


def find_units(text: str) -> list[Unit]:
    """Return a cleaned text's headings and paragraphs, without separators and illustration notes."""
    blocks = list(_blocks(_ILLUSTRATION.sub("", text).split("\n")))
    if blocks and len(blocks[0]) <= 4 and any(byline_author(tidy_line(line)) for line in blocks[0][1:]):
        blocks[:1] = [[line] for line in blocks[0]]
    units = [unit for block in blocks for unit in _read_block(block) if unit.text]
    return list(join_titles(units, ranks=("chapter", "part")))


def byline_author(text: str) -> str | None:
    """Return the author that "by Ann Lee" names, "" for a mere "by", None for any other line."""
    found = _BYLINE.fullmatch(text)
    author = (found["author"] or "") if found else None
    # "by the sea we go" is the second line of a poem, not its author's name.
    return None if author and not author[0].isupper() else author


def title_like(text: str) -> bool:
    """Return whether a line could be a title: short, begun like one, not stopped like a sentence."""
    if not text or len(text) > 80 or text.count(" ") >= 12 or text[0] in OPENERS or text[0].islower():
        return False
    last = text.rstrip(CLOSERS)[-1:]
    if last in ",;:…-—–" or not any(character.isalnum() for character in text):
        return False
    if text.isupper():
        return len(text) > 3 or last != "."
    if last in "?!":
        return all(word[0].isupper() for word in text.split() if len(word) > 3)
    return last != "."


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        if line.strip() and not _is_separator(line):
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _is_separator(line: str) -> bool:
    """Return whether the line is a row of asterisks or rules, which parts scenes."""
    if line.lstrip()[0] not in _SEPARATORS:
        return False
    marks = "".join(line.split())
    return set(marks) <= _SEPARATORS and (len(marks) >= 3 or marks in ("*", "⁂"))


def _read_block(block: list[str]) -> Iterator[Unit]:
    """Yield the headings and paragraphs of the lines between two blank ones."""
    alone = _is_line_a_paragraph(block)
    indented = [line.startswith(_INDENTS) for line in block]
    bulleted = bool(_BULLET.match(block[0]))
    first_lines_indented = any(indented) and not all(indented) and not bulleted
    widest = max(len(line) for line in block)
    paragraph: list[str] = []
    after_heading = True
    at = 0
    while at < len(block):
        heading, used = _heading_at(
            block=block, at=at, alone=alone, after_heading=after_heading, widest=widest
        )
        starts = (
            alone
            or (bulleted and _BULLET.match(block[at]))
            or (first_lines_indented and indented[at] and at > 0 and _may_end_paragraph(block[at - 1]))
        )
        if paragraph and (heading or starts):
            yield _paragraph(paragraph)
            paragraph = []
        if heading:
            yield heading
        else:
            paragraph.append(block[at])
        after_heading = heading is not None
        at += used
    if paragraph:
        yield _paragraph(paragraph)


def _tidy(text: str) -> str:
    return tidy_line(_EMPHASIS.sub(r"\2", text))


def _paragraph(lines: list[str]) -> Unit:
    text = _tidy(" ".join(lines))
    ends = [tidy_line(line) for line in lines] if len(lines) > 1 and len(lines[0]) < _WRAPPED_AT_MOST else []
    listing = bool(ends) and all(title_like(line) or line[-1:].isdigit() for line in ends)
    return Unit(kind="paragraph", text=text, listing=listing)


def _is_line_a_paragraph(block: list[str]) -> bool:
    """Return whether each line is a paragraph: most text is in long lines, or most lines end a sentence."""
    long_lines = sum(len(line) for line in block if len(line) > _WRAPPED_AT_MOST)
    if len(block) < 2 or long_lines * 2 > sum(len(line) for line in block):
        return True
    return len(block) > 2 and sum(ends_sentence(line) for line in block) * 4 >= len(block) * 3


def _may_end_paragraph(line: str) -> bool:
    return ends_sentence(line) or line.rstrip().rstrip(CLOSERS).endswith((":", "-", "—", "–"))


def _heading_at(
    *, block: list[str], at: int, alone: bool, after_heading: bool, widest: int
) -> tuple[Unit | None, int]:
    """Return the heading that begins at a line of a block and how many lines it takes, else (None, 1)."""
    line = block[at]
    if len(line) > _HEADING_AT_MOST:
        return None, 1
    text = _tidy(line)
    if marked := _MARKDOWN.match(text):
        inner = marked[2].rstrip("# ") or marked[2]
        return numbered_heading(inner) or Unit(kind="heading", text=inner, rank=marked[1], level=len(marked[1])), 1
    heading = numbered_heading(text)
    if heading is None:
        return (_lone_heading(text), 1) if alone else (None, 1)
    rest = [_tidy(other) for other in block[at + 1 : at + 4] if len(other) <= _HEADING_AT_MOST]
    following = rest[0] if rest else ""
    if not heading.bare and not (alone or len(block) == at + 1):
        # In a wrapped paragraph a line may happen to begin "Part two. The …"; then the next line follows on.
        fits = len(line) + 1 + len(following.split(" ")[0]) <= widest
        if not after_heading or not (fits or title_like(following)):
            return None, 1
    if following and title_like(following) and numbered_heading(following) is None:
        if alone and heading.bare:
            return add_title(heading, following), 2
        if not alone and len(block) - at <= 3 and all(title_like(other) for other in rest):
            return add_title(heading, " ".join(rest)), 1 + len(rest)
    return heading, 1


def numbered_heading(text: str) -> Unit | None:
    """Return the heading that a line such as "CHAPTER I. Down the Rabbit-Hole" or "PART ONE" is."""
    found = _NUMBERED.fullmatch(text)
    number = _NUMERALS.get(found["numeral"].lower(), 0) if found else 0
    if not found or not number:
        return None
    title = found["title"]
    if title and found["mark"].strip():
        if title[0].islower() and "." in found["mark"]:
            return None
        if len(title.split()) > 12 and not title.isupper():
            return None
        if ends_sentence(title) and len(split_sentences(title)) > 1:
            return None
    elif title and not title_like(title):
        return None
    rank = "part" if found["word"].lower() in _PART_WORDS.split() else "chapter"
    return Unit(kind="heading", text=text, rank=rank, number=number, bare=not title)


def _lone_heading(text: str) -> Unit | None:
    """Return the heading that a line on its own is by being a numeral, or in capitals without a stop."""
    number = _NUMERALS.get(text.rstrip(".").lower(), 0)
    if number and not text[0].islower():
        return Unit(kind="heading", text=text, rank="numeral", number=number, bare=True)
    capitals = text.isupper() and title_like(text) and text[-1] not in ".!?" and len(text) > 1
    return Unit(kind="heading", text=text) if capitals else None


def add_title(heading: Unit, title: str) -> Unit:
    """Return a numbered heading with its title: "Chapter 1" and "The Lamp" give "Chapter 1. The Lamp"."""
    stop = "" if not heading.bare or heading.text[-1] in ".:)]—–-" else "."
    text = tidy_line(f"{heading.text}{stop} {title}")
    return Unit(kind="heading", text=text, rank=heading.rank, number=heading.number)


def join_titles(units: list[Unit], *, ranks: tuple[str, ...]) -> Iterator[Unit]:
    """Yield the units, a title in a block of its own joined to the bare heading of these ranks above."""
    at = 0
    while at < len(units):
        unit = units[at]
        below = units[at + 1] if at + 2 < len(units) else None
        named = unit.rank in ranks and unit.bare and below and below.rank == ""
        if named and (
            title_like(below.text) or (below.text.isupper() and len(below.text) <= _HEADING_AT_MOST)
        ):
            unit = add_title(unit, below.text)
            at += 1
        yield unit
        at += 1
