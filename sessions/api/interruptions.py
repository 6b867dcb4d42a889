"""Questions: asked, looked up, and those that scrolled out of a snapshot."""

import logging

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from sessions import messages
from sessions.api import shapes
from sessions.api.base import WireView, wire
from sessions.api.paging import BEFORE, ByMoment
from sessions.services import classes, questions, reading, snapshots
from sessions.writes import ReceiptKey, body_hash, write_now

logger = logging.getLogger(__name__)


class InterruptionList(WireView):
    """The questions of one of your reading sessions."""

    @extend_schema(operation_id="sessions_interruptions_list", parameters=[BEFORE], responses=shapes.InterruptionPage)
    def get(self, request, reading_session_id):
        reading_session = reading.reading_session_for_user(request.user, reading_session_id)
        pages = ByMoment()
        rows = pages.paginate_queryset(reading_session.interruptions.all(), request)
        positions = snapshots.positions_of(rows)
        return pages.get_paginated_response(
            [wire(snapshots.interruption_view(row, position=positions.get(row.pk))) for row in rows])

    @extend_schema(request=shapes.Question, responses={
        201: messages.InterruptionAcknowledged, 200: messages.InterruptionAcknowledged})
    def post(self, request, reading_session_id):
        """Ask. Answered when the question is safely stored, with 200 when it was already; the answer itself comes
        through the socket or by looking the question up."""
        reading_session = reading.reading_session_for_user(request.user, reading_session_id)
        question = messages.validate(shapes.Question, request.data)
        # The hash of what a socket would send as the payload: asked here and resent there it is still one question.
        payload = {name: value for name, value in request.data.items() if name != "id"}
        reply = write_now(questions.interruption(reading_session.pk, question, receipt=ReceiptKey(
            question.id, question.type, body_hash(question.type, payload))))
        logger.info("A question is stored.", extra={
            "question": reply.payload["interruptionId"], "message_id": str(question.id)})
        return Response(reply.payload, status=status.HTTP_200_OK if reply.repeated else status.HTTP_201_CREATED)


class OneInterruption(WireView):
    """One question and what became of it."""

    @extend_schema(responses=messages.InterruptionView)
    def get(self, request, reading_session_id, interruption_id):
        reading_session = reading.reading_session_for_user(request.user, reading_session_id)
        row = questions.interruption_of(reading_session, interruption_id)
        return Response(wire(snapshots.interruption_view(row, position=snapshots.positions_of([row]).get(row.pk))))


class ClassroomInterruptionList(WireView):
    """The questions of a class you teach."""

    @extend_schema(operation_id="classrooms_interruptions_list", parameters=[BEFORE],
                   responses=shapes.RoomInterruptionPage)
    def get(self, request, classroom_id):
        classroom = classes.classroom_for_user(request.user, classroom_id)
        pages = ByMoment()
        rows = pages.paginate_queryset(
            classroom.interruptions.filter(enrollment__removed_at=None).select_related("enrollment"), request)
        return pages.get_paginated_response([wire(snapshots.room_interruption(row)) for row in rows])
