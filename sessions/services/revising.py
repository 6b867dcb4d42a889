"""When a text's words change: every place that was kept in it moves along, and open pages learn of it.

Called within the transaction of the change, by the receiver of `text_revised`. Places are moved by a `WordMap`; a
quotation whose words are gone is kept as the answer gave it and no longer called verified. Locks are taken in the
order of all locks: classrooms, reading sessions, interruptions.
"""

from collections.abc import Iterable
from datetime import datetime

from classrooms import database
from classrooms.mapping import WordMap
from classrooms.models import Classroom, Enrollment, Text
from sessions import events, messages
from sessions.models import Broadcast, Interruption, ReadingSession
from sessions.services import snapshots, texts

ROWS = 200  # in one UPDATE

Status = ReadingSession.Status


def carry_over(text: Text, words: WordMap) -> None:
    """Move everything that counts words of `text`, which is as it is now, and tell its classes."""
    classrooms = list(Classroom.objects.select_for_update(of=("self",), no_key=True).order_by("pk").filter(
        pk__in=_classes_of(text)))
    _move_focus(classrooms, text, words)
    _move_readers(text, words, now=database.now())
    _move_questions(text, words)
    for classroom in classrooms:
        classroom.version += 1
        classroom.save(update_fields=["version", "focus_word_index"])
        frame = messages.TextRevised(text=snapshots.text_view(text)).encode(class_version=classroom.version)
        events.announce({events.class_group(classroom.pk): frame, events.room_group(classroom.pk): frame})


def move_citation(citation: dict, words: WordMap, outline: texts.Outline) -> dict:
    """Return a citation of the wire as it stands in the new words."""
    if not citation["verified"]:
        return citation
    found = words.range_of(citation["fromWordIndex"], citation["toWordIndex"])
    if found is None:
        return unplaced(citation)
    return citation | {
        "fromWordIndex": found[0], "toWordIndex": found[1], "paragraph": outline.number_at(found[0])}


def unplaced(citation: dict) -> dict:
    """Return a citation of the wire without its place: its words may no longer be in the text."""
    return {"paragraph": citation["paragraph"], "quote": citation["quote"], "verified": False}


def _classes_of(text: Text) -> set[int]:
    """Return the classes that have the text or once had it: their questions about it move too."""
    readers = Enrollment.objects.filter(reading_sessions__text=text)
    return {*text.classrooms.values_list("pk", flat=True), *readers.values_list("classroom", flat=True)}


def _move_focus(classrooms: Iterable[Classroom], text: Text, words: WordMap) -> None:
    for classroom in classrooms:
        if classroom.focus_text_id == text.pk:
            classroom.focus_word_index = words.place_of(classroom.focus_word_index)
    said = list(Broadcast.objects.filter(target=text, word_index__isnull=False))
    for row in said:
        row.word_index = words.place_of(row.word_index)
    Broadcast.objects.bulk_update(said, ["word_index"], batch_size=ROWS)


def _move_readers(text: Text, words: WordMap, *, now: datetime) -> None:
    """Move the readers. One who had finished, and for whom there is more to read now, has not."""
    rows = list(ReadingSession.objects.select_for_update(of=("self",), no_key=True).order_by("pk").filter(text=text))
    for row in rows:
        row.word_index = words.place_of(row.word_index)
        row.furthest_word_index = max(row.word_index, words.place_of(row.furthest_word_index))
        row.changed_at = now
        if row.status == Status.FINISHED and texts.end_of_page(text, row.furthest_word_index) < text.word_count:
            row.status = Status.AWAY  # until the next sign of life
    ReadingSession.objects.bulk_update(
        rows, ["word_index", "furthest_word_index", "status", "changed_at"], batch_size=ROWS)


def _move_questions(text: Text, words: WordMap) -> None:
    outline = texts.read_outline(text.pk)
    rows = list(Interruption.objects.select_for_update(of=("self",), no_key=True).order_by("pk").filter(text=text).only(
        "word_index", "paragraph", "citations", "fallback"))
    for row in rows:
        row.word_index = words.place_of(row.word_index)
        row.paragraph = outline.paragraph_at(row.word_index)
        row.citations = [move_citation(citation, words, outline) for citation in row.citations]
        if row.fallback:
            moved = [move_citation(citation, words, outline) for citation in row.fallback["citations"]]
            row.fallback = row.fallback | {"citations": moved}
    Interruption.objects.bulk_update(
        rows, ["word_index", "paragraph", "citations", "fallback"], batch_size=ROWS)
