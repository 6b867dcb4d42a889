"""One-use tickets, by which a program without a cookie opens a socket."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from classrooms import log_ins
from sessions.api import shapes
from sessions.api.base import WireView, wire
from sessions.services import access, classes, reading


class SessionTicket(WireView):
    """A ticket for the socket of one of your reading sessions."""

    @extend_schema(request=None, responses={201: shapes.SocketAddress})
    def post(self, request, reading_session_id):
        reading_session = reading.reading_session_for_user(request.user, reading_session_id)
        return _ticket(request, f"/ws/sessions/{reading_session.pk}/")


class ClassroomTicket(WireView):
    """A ticket for the socket of a class you teach."""

    @extend_schema(request=None, responses={201: shapes.SocketAddress})
    def post(self, request, classroom_id):
        classroom = classes.classroom_for_user(request.user, classroom_id)
        return _ticket(request, f"/ws/classrooms/{classroom.pk}/")


def _ticket(request, path: str) -> Response:
    return Response(wire(shapes.SocketAddress(websocket_url=socket_url(request, path))), status=status.HTTP_201_CREATED)


def socket_url(request, path: str) -> str:
    """Return the absolute address of a socket with a fresh ticket. The socket will end with the log-in that asks."""
    scheme = "wss" if request.is_secure() else "ws"
    session = request._request.session
    log_in = (request.auth.key, None) if request.auth else (session.session_key, log_ins.ends_at(session))
    ticket = access.issue_ticket(request.user, path=path, log_in=log_in[0], until=log_in[1])
    return f"{scheme}://{request.get_host()}{path}?ticket={ticket}"
