"""Reading sessions of a student: begun, listed, moved."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from classrooms.middleware import enrollment_of
from sessions import messages
from sessions.api import shapes
from sessions.api.base import WireView, wire
from sessions.api.paging import BEFORE, ByMoment
from sessions.api.tickets import socket_url
from sessions.services import reading
from sessions.writes import write_now


class SessionList(WireView):
    """Your reading sessions."""

    @extend_schema(operation_id="sessions_list", parameters=[BEFORE], responses=shapes.SessionPage)
    def get(self, request):
        pages = ByMoment()
        rows = pages.paginate_queryset(reading.reading_sessions_for_user(request.user), request)
        return pages.get_paginated_response([wire(shapes.SessionSummary(**shapes.summary_fields(row))) for row in rows])

    @extend_schema(request=shapes.NewSession, responses={201: shapes.StartedSession})
    def post(self, request):
        """Begin to read a text of your class, or come back to it, with a ticket for its socket."""
        enrollment = enrollment_of(request._request)
        if enrollment is None:
            raise Http404
        wanted = messages.validate(shapes.NewSession, request.data)
        reading_session = reading.start_reading(enrollment, text_id=wanted.text)
        return Response(wire(shapes.StartedSession(
            **shapes.summary_fields(reading_session),
            websocket_url=socket_url(request, f"/ws/sessions/{reading_session.pk}/"))), status=status.HTTP_201_CREATED)


class OneSession(WireView):
    """One of your reading sessions."""

    @extend_schema(responses=shapes.SessionSummary)
    def get(self, request, reading_session_id):
        row = reading.reading_session_for_user(request.user, reading_session_id)
        return Response(wire(shapes.SessionSummary(**shapes.summary_fields(row))))


class Progress(WireView):
    """Where you are in the text."""

    @extend_schema(responses=messages.ProgressSaved)
    def get(self, request, reading_session_id):
        row = reading.reading_session_for_user(request.user, reading_session_id)
        return Response(wire(messages.ProgressSaved(
            rev=row.rev, word_index=row.word_index, furthest_word_index=row.furthest_word_index)))

    @extend_schema(request=messages.ReadingProgress, responses=messages.ProgressSaved)
    def put(self, request, reading_session_id):
        """Move. `rev` is one more than the greatest you have seen; with an older one nothing moves: `stale` is true."""
        row = reading.reading_session_for_user(request.user, reading_session_id)
        moved = messages.validate(messages.ReadingProgress, request.data)
        return Response(write_now(reading.progress(row.pk, moved)).payload)
