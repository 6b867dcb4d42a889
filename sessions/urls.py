"""Addresses of reading, of the teacher's room and of the API for programs."""

from django.urls import path

from sessions import api, views

urlpatterns = [
    path("read/", views.books, name="books"),
    path("read/texts/<int:text_id>/", views.start_reading, name="start_reading"),
    path("read/<uuid:reading_session_id>/", views.current_page, name="reading"),
    path("read/<uuid:reading_session_id>/progress/", views.save_progress, name="save_progress"),
    path("read/<uuid:reading_session_id>/page/<int:page>/", views.reading_page, name="reading_page"),
    path("classes/<int:classroom_id>/", views.room, name="room"),
    path("classes/<int:classroom_id>/texts/<int:text_id>/paragraphs/", views.room_paragraphs, name="room_paragraphs"),
    path("api/sessions/", api.SessionList.as_view(), name="api_sessions"),
    path("api/sessions/<uuid:reading_session_id>/interruptions/", api.InterruptionList.as_view(),
         name="api_interruptions"),
    path("api/classrooms/<int:classroom_id>/ticket/", api.ClassroomTicket.as_view(), name="api_classroom_ticket"),
]
