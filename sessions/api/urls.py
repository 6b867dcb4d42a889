"""Addresses of REST on reading, below `/api/v1/`."""

from django.urls import path

from sessions.api import interruptions, reading, tickets

urlpatterns = [
    path("sessions/", reading.SessionList.as_view(), name="api_sessions"),
    path("sessions/<uuid:reading_session_id>/", reading.OneSession.as_view(), name="api_session"),
    path("sessions/<uuid:reading_session_id>/progress/", reading.Progress.as_view(), name="api_progress"),
    path("sessions/<uuid:reading_session_id>/interruptions/", interruptions.InterruptionList.as_view(),
         name="api_interruptions"),
    path("sessions/<uuid:reading_session_id>/interruptions/<uuid:interruption_id>/",
         interruptions.OneInterruption.as_view(), name="api_interruption"),
    path("sessions/<uuid:reading_session_id>/ticket/", tickets.SessionTicket.as_view(), name="api_session_ticket"),
    path("classrooms/<int:classroom_id>/interruptions/", interruptions.ClassroomInterruptionList.as_view(),
         name="api_classroom_interruptions"),
    path("classrooms/<int:classroom_id>/ticket/", tickets.ClassroomTicket.as_view(), name="api_classroom_ticket"),
]
