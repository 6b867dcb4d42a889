"""What a teacher does to the whole class: say, focus, pause, resume."""

from classrooms import database
from classrooms.models import Classroom, Passage, User
from classrooms.services import classes as teaching
from sessions import errors, events, messages, statements
from sessions.models import Broadcast, Receipt
from sessions.services import snapshots, texts
from sessions.services.reading import reply_of
from sessions.writes import ReceiptKey, Reply, transaction


def classroom_for_user(user: User, classroom_id: int) -> Classroom:
    """Return a class that the user teaches; NotFound for any other, present or absent."""
    try:
        return teaching.classroom_for_user(user, classroom_id)
    except Classroom.DoesNotExist:
        raise errors.NotFound() from None


def tell_class(user: User, classroom_id: int, *, kind: str, receipt: ReceiptKey, text: str = "",
               text_id: int | None = None, word_index: int | None = None) -> Reply:
    """Do one durable act on a class and send it to everyone in it. Returns DONE; Conflict, NotFound, InvalidPosition."""
    with transaction():
        # The lock, held to the commit, makes the next act wait, so no gap in the numbers can be seen.
        classroom = statements.lock_class(classroom_id, teacher=user)
        if classroom is None:
            raise errors.NotFound()
        known = statements.teachers_receipt(user, receipt.message_id)
        if known is not None:
            body_hash, reply = known
            if body_hash != receipt.body_hash:
                raise errors.Conflict()
            return Reply(**reply, repeated=True)
        classroom.version += 1
        if kind == "focus":
            _check_focus(classroom, text_id, word_index)
            classroom.focus_text_id, classroom.focus_word_index = text_id, word_index
        elif kind in ("pause", "resume"):
            classroom.paused = kind == "pause"
        broadcast = Broadcast(
            classroom=classroom, teacher=user, kind=kind, text=text, version=classroom.version,
            target_id=text_id, word_index=word_index, created_at=database.now())
        frame = messages.ClassBroadcast(**snapshots.broadcast_view(broadcast)).encode(class_version=classroom.version)
        reply = reply_of(messages.Done())
        statements.store_act(classroom, broadcast, Receipt(
            teacher=user, message_id=receipt.message_id, type=receipt.type, body_hash=receipt.body_hash,
            reply=reply.stored(), created_at=broadcast.created_at))
        events.announce({events.class_group(classroom_id): frame, events.room_group(classroom_id): frame})
    return reply


def _check_focus(classroom: Classroom, text_id: int, word_index: int) -> None:
    text = classroom.texts.filter(pk=text_id).first()
    if text is None:
        raise errors.NotFound()
    texts.check_place(text, word_index)


def paragraphs_for_room(classroom: Classroom, text_id: int) -> list[dict]:
    """Return what the room's text column lists: number, first word, page, chapter, the heading that the paragraph
    follows at once ("" for none) and the first words of each paragraph."""
    text = classroom.texts.filter(pk=text_id).first()
    if text is None:
        raise errors.NotFound()
    listed, headings = [], []
    for row in Passage.objects.filter(text_id=text_id).order_by("first_word"):
        if not row.number:
            if row.body != text.title:  # the text's own title stands above all of it
                headings.append(row.body)
            continue
        listed.append({"paragraph": row.number, "firstWord": row.first_word, "page": row.page, "chapter": row.chapter,
                       "heading": " · ".join(headings), "text": row.body[:160]})
        headings = []
    return listed
