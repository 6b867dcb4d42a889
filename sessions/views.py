"""Pages around reading: a student's books and pages, a teacher's room."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from classrooms.decorators import student_required, teacher_required
from classrooms.models import Classroom
from classrooms.pages import blocks_of, chapter_title
from sessions import errors
from sessions.models import ReadingSession, page_of, percent_read
from sessions.services import classes, reading, snapshots


@require_safe
@student_required
def books(request):
    """The class's texts, each with how far the reader is."""
    classroom = request.enrollment.classroom
    sessions = {row.text_id: row for row in request.enrollment.reading_sessions.select_related("text")}
    said = classroom.broadcasts.filter(kind="announcement").order_by("-version").first()
    return render(request, "sessions/books.html", {
        "enrollment": request.enrollment, "classroom": classroom,
        "books": [_book(text, sessions.get(text.pk)) for text in classroom.texts.all()],
        "last_broadcast": said and {"text": said.text, "sent_at": said.created_at,
                                    "is_new": timezone.now() - said.created_at < timedelta(minutes=1)}})


def _book(text, reading_session: ReadingSession | None) -> dict:
    return {
        "text": text, "reading_session": reading_session, "page_count": text.page_count,
        "percent": percent_read(reading_session.furthest_word_index, text.word_count) if reading_session else 0,
        "page": page_of(text.page_starts, reading_session.word_index) if reading_session else 1,
        "status": reading_session.status if reading_session else "new"}


@require_POST
@student_required
def start_reading(request, text_id):
    """Open a text of the class, for the first time or again."""
    try:
        reading_session = reading.start_reading(request.enrollment, text_id=text_id)
    except errors.NotFound:
        raise Http404 from None
    return _to_page(reading_session, reading_session.word_index)


@require_safe
@student_required
def current_page(request, reading_session_id):
    """Go to the page where the reader is."""
    reading_session = _reading_session(request, reading_session_id)
    return _to_page(reading_session, reading_session.word_index)


@require_POST
@student_required
def save_progress(request, reading_session_id):
    """Turn a page without JavaScript: keep the place, then show its page."""
    reading_session = _reading_session(request, reading_session_id)
    try:
        word_index = int(request.POST.get("word_index", ""))
        revision = int(request.POST.get("revision", reading_session.text.revision))
        reading.save_progress(reading_session, word_index=word_index, revision=revision)
    except (ValueError, errors.InvalidPosition, errors.StaleText):
        return _to_page(reading_session, reading_session.word_index)
    return _to_page(reading_session, word_index)


@require_safe
@ensure_csrf_cookie
@student_required
def reading_page(request, reading_session_id, page):
    """One page of a text: readable as it stands, alive with `reader.js`."""
    reading_session = _reading_session(request, reading_session_id)
    text = reading_session.text
    if not 1 <= page <= text.page_count:
        raise Http404
    starts = text.page_starts
    end_word = text.page_end(page)
    return render(request, "sessions/reading.html", {
        "reading_session": reading_session, "classroom": reading_session.enrollment.classroom, "text": text,
        "enrollment": reading_session.enrollment, "page": page, "page_count": text.page_count,
        "percent": percent_read(max(reading_session.furthest_word_index, starts[page - 1]), text.word_count),
        # Read from the database only if the template has not kept the page's words.
        "chapter_title": SimpleLazyObject(lambda: chapter_title(text, page)),
        "blocks": SimpleLazyObject(lambda: blocks_of(text.passages.filter(page=page))),
        "previous_page": page - 1 or None, "next_page": page + 1 if page < len(starts) else None,
        "next_word": end_word if page < len(starts) else None,
        "page_first_word": starts[page - 1], "page_end_word": end_word,
        "config": _reading_config(reading_session, page)})


def _reading_config(reading_session: ReadingSession, page: int) -> dict:
    """What `reader.js` must know before its socket tells it the rest."""
    text = reading_session.text
    return {
        "sessionId": str(reading_session.pk), "socketPath": f"/ws/sessions/{reading_session.pk}/",
        "textId": text.pk, "textTitle": text.title, "words": text.word_count, "revision": text.revision,
        "page": page, "pageCount": text.page_count, "pageStarts": text.page_starts,
        "pageUrl": reverse("reading_page", args=[reading_session.pk, 0]),
        "placeUrl": reverse("reading", args=[reading_session.pk]),
        "interruptionsUrl": reverse("api_interruptions", args=[reading_session.pk]),
        "preferences": reading_session.preferences, "wordIndex": reading_session.word_index,
        "language": settings.LANGUAGE_CODE}


def _reading_session(request, reading_session_id) -> ReadingSession:
    try:
        return reading.reading_session_for_user(request.user, reading_session_id)
    except errors.NotFound:
        raise Http404 from None


def _to_page(reading_session: ReadingSession, word_index: int):
    return redirect("reading_page", reading_session.pk, page_of(reading_session.text.page_starts, word_index))


@require_safe
@ensure_csrf_cookie
@teacher_required
def room(request, classroom_id):
    """The live room of a class."""
    classroom = _classroom(request, classroom_id)
    state = snapshots.classroom_state(classroom).model_dump(mode="json", by_alias=True, exclude_none=True)
    return render(request, "sessions/room.html", {"classroom": classroom, "config": {
        "classroomId": classroom.pk, "socketPath": f"/ws/classrooms/{classroom.pk}/", "state": state,
        "studentUrl": reverse("student", args=[classroom.pk, 0]),
        "paragraphsUrl": reverse("room_paragraphs", args=[classroom.pk, 0]),
        "joinUrl": request.build_absolute_uri(reverse("join_with_code", args=[classroom.code]))}})


@require_safe
@teacher_required
def room_paragraphs(request, classroom_id, text_id):
    """The paragraphs of a text, for the room's map of it."""
    try:
        return JsonResponse(classes.paragraphs_for_room(_classroom(request, classroom_id), text_id), safe=False)
    except errors.NotFound:
        raise Http404 from None


def _classroom(request, classroom_id) -> Classroom:
    try:
        return classes.classroom_for_user(request.user, classroom_id)
    except errors.NotFound:
        raise Http404 from None
