"""Texts: imported, given to classes, edited without losing anyone's place, deleted while nobody has read them.

A text belongs to the teacher who brought it. The other teachers of a class see what it reads and may take it off their
class's shelf; only the owner edits, gives and deletes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from classrooms import signals
from classrooms.database import transaction
from classrooms.importing import ImportedText, import_text
from classrooms.mapping import WordMap, map_words
from classrooms.models import Classroom, Passage, Text, TextSource, User


class TextChanged(Exception):
    """Somebody saved the text since it was opened for editing."""


class TextInUse(Exception):
    """Students have begun to read the text; what they did hangs on it."""


@dataclass(frozen=True, slots=True)
class TextChoices:
    """What a teacher decides about a text; `title` and `author` left empty are taken from the text itself."""

    raw: str
    format: str = "plain"
    title: str = ""
    author: str = ""
    level: str = ""


def texts_for_user(user: User) -> QuerySet[Text]:
    """Return the texts a teacher may see: their own, and those of the classes they teach."""
    given = Classroom.texts.through.objects.filter(classroom__teachers=user)
    return Text.objects.filter(Q(owner=user) | Q(pk__in=given.values("text")))


def text_for_user(user: User, text_id: int) -> Text:
    """Return a text the teacher may see; raise Text.DoesNotExist for any other, present or absent."""
    return texts_for_user(user).get(pk=text_id)


def own_text_for_user(user: User, text_id: int) -> Text:
    """Return a text the teacher brought; raise Text.DoesNotExist for any other, present or absent."""
    return Text.objects.get(pk=text_id, owner=user)


def create_text(*, owner: User, raw: str, format: str = "plain", title: str = "", author: str = "", level: str = "",
                classrooms: Iterable[Classroom] = ()) -> Text:
    """Import a text and give it to classes. Raises importing.UnreadableText."""
    imported = import_text(raw, format=format)
    text = Text(owner=owner, format=format, level=level)
    _describe(text, imported, title=title, author=author)
    with transaction():
        text.save()
        TextSource.objects.create(text=text, body=raw)
        Passage.objects.bulk_create(passages_of(imported, text))
        for classroom in classrooms:
            classroom.texts.add(text)
    return text


def revise_text(text: Text, choices: TextChoices, *, revision: int) -> Text:
    """Import a text anew and return it as it is then; where its words changed, its `revision` has grown.

    `revision` is the one that was edited. Whoever keeps places in it is told by `signals.text_revised` within the
    transaction. Raises TextChanged, importing.UnreadableText.
    """
    imported = import_text(choices.raw, format=choices.format)
    passages = passages_of(imported, text)
    before = list(text.passages.all())
    is_new = [_content(passage) for passage in passages] != [_content(passage) for passage in before]
    # Before the lock: a long text takes a second or two.
    words = compare(before, imported) if is_new else None
    with transaction():
        # Without its key: those who hold a session of this text need that to store a question, and would wait for us
        # while we wait for them.
        locked = Text.objects.select_for_update(no_key=True).get(pk=text.pk)
        if not locked.revision == text.revision == revision:
            raise TextChanged
        locked.format, locked.level = choices.format, choices.level
        _describe(locked, imported, title=choices.title, author=choices.author)
        locked.revision += is_new
        locked.save()
        TextSource.objects.update_or_create(text=locked, defaults={"body": choices.raw})
        if is_new:
            locked.passages.all().delete()
            Passage.objects.bulk_create(passages)
            signals.text_revised.send(Text, text=locked, words=words)
    return locked


def compare(before: Iterable[Passage], imported: ImportedText) -> WordMap:
    """Return where the words of a text's passages are in a newly imported one."""
    return map_words([passage.body for passage in before], [passage.text for passage in imported.passages])


def set_classrooms(text: Text, *, user: User, classrooms: Iterable[Classroom]) -> None:
    """Give a text to these classes and take it off the others, among the present ones that the user teaches.

    Who does not own the text only takes it off. What students did in it stays with their class. The counter of a
    class that this changes grows, so open pages find at their next heartbeat that they are behind, and ask.
    """
    wanted = {classroom.pk for classroom in classrooms}
    with transaction():
        for classroom in user.classrooms.filter(archived_at=None).order_by("pk"):
            has = classroom.texts.filter(pk=text.pk).exists()
            if has and classroom.pk not in wanted:
                classroom.texts.remove(text)
            elif not has and classroom.pk in wanted and text.owner_id == user.pk:
                classroom.texts.add(text)
            else:
                continue
            Classroom.objects.filter(pk=classroom.pk).update(version=F("version") + 1)


def delete_text(text: Text) -> None:
    """Delete a text that no student has begun; raise TextInUse for one that some have."""
    with transaction():
        # A student who opens it in this moment waits for this row, and then finds no text.
        locked = Text.objects.select_for_update().get(pk=text.pk)
        if locked.reading_sessions.exists():
            raise TextInUse
        locked.delete()


def passages_of(imported: ImportedText, text: Text | None = None) -> list[Passage]:
    """Return the rows of an imported text, not saved."""
    return [Passage(
        text=text, kind=passage.kind, body=passage.text, number=passage.number, chapter=passage.chapter,
        page=passage.page, first_word=passage.first_word, word_count=passage.word_count, level=passage.level,
        ordinal=passage.ordinal, marks=[list(mark) for mark in passage.marks]) for passage in imported.passages]


def page_starts(imported: ImportedText) -> list[int]:
    """Return the index of the first word of each page, in order."""
    starts: dict[int, int] = {}
    for passage in imported.passages:
        starts.setdefault(passage.page, passage.first_word)
    return [starts[page] for page in sorted(starts)]


def _describe(text: Text, imported: ImportedText, *, title: str, author: str) -> None:
    text.title = (title or imported.title)[:200]
    text.author = (author or imported.author)[:200]
    text.word_count = imported.word_count
    text.page_starts = page_starts(imported)


def _content(passage: Passage) -> tuple:
    return (passage.kind, passage.body, passage.page, passage.chapter, passage.level, passage.ordinal, passage.marks)
