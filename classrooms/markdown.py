"""Markdown to headings, paragraphs, list items and quotations, with emphasis kept word by word.

`importing` calls `read_markdown` for texts that say they are Markdown and lays the result out on pages. The parser is
markdown-it-py (CommonMark), with HTML off: tags are shown as text. Links become their words, images and rules go, a
block of code is a paragraph. Nothing here counts words of the whole text or knows chapters.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .layout import Unit, byline_author, numbered_heading
from .plaintext import drop_invisible, is_visible, tidy_line

__all__ = ["read_markdown"]

# What lies deeper (ten lists in one another) is left out by the parser, which looks for links again at each level.
_DEEPEST = 20
# Emphasis is matched in quadratic time: 14,000 marks in one paragraph took 36 s. One with more than these was not
# written by people, and is shown as it stands.
_SIGNS = "*_["
_SIGNS_AT_MOST = 300
_MARKS = ("em", "strong")
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n((?:[\w-]+[ \t]*:.*\n|[ \t]+\S.*\n|-[ \t].*\n|[ \t]*\n){0,100})---[ \t]*(?:\n|\Z)")
_FIELD = re.compile(r"^(title|author)[ \t]*:[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)


def read_markdown(text: str) -> tuple[list[Unit], str, str]:
    """Return a cleaned text's units in order, its title and its author ("" where it does not tell them).

    A heading's rank is its number signs, "#" to "######". Title and author come from front matter, else from a
    first heading that is not a chapter's, and a line such as "by Ann Lee" below it.
    """
    text, title, author = _take_front_matter(text)
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    parser.core.ruler.at("inline", _parse_lines)
    units = [unit for unit in _units(parser.parse(text)) if unit.text]
    if units and units[0].kind == "heading":
        title = title or _title(units)
        named = byline_author(units[1].text) if len(units) > 2 and units[1].kind == "paragraph" else None
        if named:
            author = author or named
            del units[1]
    return units, title, author


def _take_front_matter(text: str) -> tuple[str, str, str]:
    """Return (text, title, author) without the lines of settings that many tools put above a text."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return text, "", ""
    fields = {name.lower(): tidy_line(value.strip(" \t\"'")) for name, value in _FIELD.findall(found[1])}
    return text[found.end():], fields.get("title", ""), fields.get("author", "")


def _title(units: list[Unit]) -> str:
    """Return the first heading, unless others of its rank follow and it is numbered as they are: a chapter's."""
    first = units[0]
    alike = sum(unit.kind == "heading" and unit.rank == first.rank for unit in units)
    return "" if alike > 1 and numbered_heading(first.text) else first.text


def _parse_lines(state: StateCore) -> None:
    """Parse what stands within paragraphs, in place of the parser's own rule."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        if sum(map(token.content.count, _SIGNS)) > _SIGNS_AT_MOST:
            token.children = [Token("text", "", 0, content=token.content)]
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _units(tokens: Sequence[Token]) -> Iterator[Unit]:
    """Yield what stands between the parser's openings and closings, each as the innermost of them says."""
    depth = {"list": 0, "quote": 0, "heading": 0}
    ordinal: int | None = None  # of a list item whose first line has not come yet; 0 in a list of bullets
    for token in tokens:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name in ("bullet_list", "ordered_list"):
            depth["list"] += token.nesting
        elif name == "blockquote":
            depth["quote"] += token.nesting
        elif name == "list_item":
            ordinal = int(token.info or 0) if token.nesting == 1 else None
        elif name == "heading":
            depth["heading"] = int(token.tag[1]) if token.nesting == 1 else 0
        elif token.type in ("inline", "fence", "code_block"):
            text, marks = _marked_words(_pieces(token.children) if token.type == "inline" else [(token.content, ())])
            if ordinal is not None:
                yield Unit(kind="item", text=text, level=depth["list"], ordinal=ordinal, marks=marks)
                ordinal = None
            elif depth["quote"]:
                yield Unit(kind="quote", text=text, level=depth["quote"], marks=marks)
            elif depth["heading"] and not depth["list"]:
                level = depth["heading"]
                yield Unit(kind="heading", text=text, rank="#" * level, level=level, marks=marks)
            else:
                yield Unit(kind="paragraph", text=text, marks=marks)


def _pieces(children: Iterable[Token]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the pieces of a line of text, each with the marks it stands in."""
    standing: list[str] = []
    for token in children:
        if token.nesting == 1:
            standing.append(token.tag)
        elif token.nesting == -1:
            standing.pop()
        elif token.type in ("softbreak", "hardbreak"):
            yield " ", ()
        elif token.type != "image":
            yield token.content, tuple(standing)


def _marked_words(pieces: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the tidied text of the pieces and its marks as (first word, last word, "em" | "strong").

    A word that is marked in part is marked whole.
    """
    joined, stretches, length = [], [], 0
    for piece, standing in pieces:
        visible = drop_invisible(piece)
        joined.append(visible)
        stretches += [(length, length + len(visible), mark) for mark in standing if mark in _MARKS]
        length += len(visible)
    text = "".join(joined)
    if not stretches:
        return tidy_line(text), []
    spans = [word.span() for word in re.finditer(r"\S+", text) if is_visible(word[0])]
    return tidy_line(text), sorted(
        (first, last, mark) for mark in _MARKS
        for first, last in _runs(_touched(spans, [stretch[:2] for stretch in stretches if stretch[2] == mark])))


def _touched(spans: list[tuple[int, int]], stretches: list[tuple[int, int]]) -> Iterator[int]:
    """Yield the numbers of the words that share a character with a stretch; both lists are in order."""
    at = 0
    for number, (start, end) in enumerate(spans):
        while at < len(stretches) and stretches[at][1] <= start:
            at += 1
        if at < len(stretches) and stretches[at][0] < end:
            yield number


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of numbers without a gap."""
    ordered = list(numbers)
    starts = [0, *(at for at, (one, other) in enumerate(pairwise(ordered), start=1) if other > one + 1)]
    for start, following in pairwise([*starts, len(ordered)]) if ordered else ():
        yield ordered[start], ordered[following - 1]
