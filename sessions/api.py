"""What programs need beside the sockets: a reading session with a ticket, and questions that scrolled away."""

from django.db.models import Q
from django.http import Http404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from classrooms.middleware import enrollment_of
from sessions import errors
from sessions.services import access, classes, reading, snapshots

PAGE = 20


class NewSession(serializers.Serializer):
    text = serializers.IntegerField(min_value=1)


class SessionList(APIView):
    """Start (or find) the student's reading of a text, and get a one-use ticket for its socket."""

    permission_classes = [IsAuthenticated]

    def post(self, request):
        wanted = NewSession(data=request.data)
        wanted.is_valid(raise_exception=True)
        enrollment = enrollment_of(request._request)
        if enrollment is None:
            raise Http404
        try:
            reading_session = reading.start_reading(enrollment, text_id=wanted.validated_data["text"])
        except errors.NotFound:
            raise Http404 from None
        path = f"/ws/sessions/{reading_session.pk}/"
        return Response({"id": str(reading_session.pk), "websocket_url": socket_url(request, path)},
                        status=status.HTTP_201_CREATED)


class InterruptionList(APIView):
    """The student's questions of one reading session, newest first; `before` an interruption's id for older ones."""

    permission_classes = [IsAuthenticated]

    def get(self, request, reading_session_id):
        try:
            reading_session = reading.reading_session_for_user(request.user, reading_session_id)
        except errors.NotFound:
            raise Http404 from None
        rows = reading_session.interruptions.order_by("-created_at", "-pk")
        if before := request.query_params.get("before"):
            last = _interruption(rows, before)
            rows = rows.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk))
        found = list(rows[:PAGE + 1])
        url = reverse("api_interruptions", args=[reading_session.pk])
        return Response({
            "results": [snapshots.interruption_view(row).model_dump(mode="json", by_alias=True, exclude_none=True)
                        for row in found[:PAGE]],
            "next": f"{url}?before={found[PAGE - 1].pk}" if len(found) > PAGE else None})


def _interruption(rows, id: str):
    try:
        return rows.get(pk=serializers.UUIDField().to_internal_value(id))
    except (serializers.ValidationError, rows.model.DoesNotExist):
        raise Http404 from None


class ClassroomTicket(APIView):
    """A one-use ticket for a teacher's socket on a class."""

    permission_classes = [IsAuthenticated]

    def post(self, request, classroom_id):
        try:
            classroom = classes.classroom_for_user(request.user, classroom_id)
        except errors.NotFound:
            raise Http404 from None
        return Response({"websocket_url": socket_url(request, f"/ws/classrooms/{classroom.pk}/")},
                        status=status.HTTP_201_CREATED)


def socket_url(request, path: str) -> str:
    """Return the absolute address of a socket with a fresh ticket."""
    scheme = "wss" if request.is_secure() else "ws"
    return f"{scheme}://{request.get_host()}{path}?ticket={access.issue_ticket(request.user, path=path)}"
