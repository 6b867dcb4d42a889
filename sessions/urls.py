"""Addresses of reading and of the teacher's room; those for programs are in `sessions.api`."""

from django.urls import path

from sessions import views

urlpatterns = [
    path("read/", views.books, name="books"),
    path("read/texts/<int:text_id>/", views.start_reading, name="start_reading"),
    path("read/<uuid:reading_session_id>/", views.current_page, name="reading"),
    path("read/<uuid:reading_session_id>/progress/", views.save_progress, name="save_progress"),
    path("read/<uuid:reading_session_id>/page/<int:page>/", views.reading_page, name="reading_page"),
    path("classes/<int:classroom_id>/", views.room, name="room"),
    path("classes/<int:classroom_id>/texts/<int:text_id>/paragraphs/", views.room_paragraphs, name="room_paragraphs"),
]
