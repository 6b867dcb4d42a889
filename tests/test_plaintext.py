"""Bytes to text, text to words and sentences: encodings, invisible characters, where a sentence ends."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classrooms.importing import UnreadableText, decode, import_text, split_sentences, tidy_line, words

# ECMAScript: WhiteSpace (TAB, VT, FF, ZWNBSP, any Space_Separator) and LineTerminator (LF, CR, LS, PS).
JAVASCRIPT_SPACE = {"\t", "\v", "\f", "\ufeff", "\n", "\r", "\u2028", "\u2029"} | {
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Zs"
}
# Format characters that are seen or that spell: joiners, Arabic and Kaithi number signs, hieroglyph joiners.
KEPT_FORMAT = {"\u200c", "\u200d", "\u06dd", "\u070f", "\u08e2", "\U000110bd", "\U000110cd"} | {
    chr(code)
    for low, high in ((0x600, 0x605), (0x890, 0x891), (0x13430, 0x1343F))
    for code in range(low, high + 1)
}


@pytest.mark.parametrize(
    "sentences",
    [
        ["Mr. and Mrs. Penn met Dr. Ash in St. Ives.", "It rained."],
        ["J. R. R. Tolkien and J.R.R. Tolkien are one man.", "He wrote."],
        ["Bring fruit, e.g. Apples, i.e. Food, etc. and so on.", "Go."],
        ["“Oh!” said Alice.", "“Oh?!” Alice said.", "‘Stop.’", "She stopped."],
        ["“Is it late?” he asked.", "(It was.)", "[He knew.]", "Then it was over."],
        ["Well… perhaps.", "But… I know.", "Wait...", "Nobody came."],
        ["What?!", "No!!", "Yes."],
        ["It was I.", "Then he left."],
        ["See p. 12 and No. 5 there.", "12 came."],
        ["At 5 p.m. they ate.", "The U.S. Army came.", "He lives in the U.S.", "He likes it."],
        ["1. Wash your hands.", "2. Dry them."],
        ["It cost 3.50 in 1912.", "Now it costs more."],
        ["« Oh ! » dit-elle.", "« Non ! »", "Elle partit."],
    ],
)
def test_sentences_end_where_a_reader_would_stop(sentences):
    found = split_sentences(" ".join(sentences))
    assert [sentence.text for sentence in found] == sentences
    starts = [sum(len(words(before)) for before in sentences[:at]) for at in range(len(sentences))]
    assert [sentence.first_word for sentence in found] == starts


def test_python_and_javascript_count_the_same_words_at_every_space_and_format_character():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        python_space, javascript_space = character.isspace(), character in JAVASCRIPT_SPACE
        if not (python_space or javascript_space or category in ("Cc", "Cf", "Cs")):
            continue
        tidied = tidy_line(f"al{character}ice")
        if character in KEPT_FORMAT:
            assert tidied == f"al{character}ice"
        elif python_space:
            assert tidied == "al ice", hex(code)
        else:
            assert tidied == "alice", hex(code)
        assert not any(found != " " and found in JAVASCRIPT_SPACE for found in tidied)
        assert words(import_text(f"Bob {character} ran to al{character}ice.").passages[0].text)[0] == "Bob"


def test_no_word_is_invisible_and_marks_on_a_letter_are_bounded():
    assert tidy_line("a \u200d \ufe0f b") == "a b"
    assert tidy_line("e\u200b\u0301") == "é"
    assert len(tidy_line("a" + "\u0315\u0300" * 100_000)) <= 31


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_uploads_are_read_in_their_encoding(encoding):
    told = "“Où est Zoë?” demanda l’élève — à côté du café."
    assert decode(told.encode(encoding)) == told


def test_big_endian_utf_16_is_read():
    assert decode(b"\xfe\xff" + "Zoë".encode("utf-16-be")) == "Zoë"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xff\xfe", "empty"),
        (b"Alice\0ran", "binary"),
        (b"PK\x03\x04mimetypeapplication/epub+zip", "binary"),
        (b"%PDF-1.7 text", "binary"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)) * 4, "binary"),
        (b"\x01\x02\x03\x04 plain", "binary"),
        (b"\xff\xfeA", "undecodable"),
        ("Привет, мир, как дела".encode("koi8-r"), "undecodable"),
        ("これは日本語の本です".encode("shift-jis"), "undecodable"),
        ("Zoë, élève, café, où".encode()[:-1], "undecodable"),
        (b"It was \x81 late", "undecodable"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(data, code):
    with pytest.raises(UnreadableText) as refused:
        decode(data)
    assert refused.value.code == code


@settings(max_examples=200, deadline=None)
@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: text.encode("utf-16", "replace")))
def test_any_bytes_are_text_or_refused(data):
    try:
        text = decode(data)
    except UnreadableText as refused:
        assert refused.code in ("empty", "binary", "undecodable")
    else:
        assert text.strip()
        assert "\0" not in text
