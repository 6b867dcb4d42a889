"""Addresses of the pages that open a class."""

from django.urls import path

from classrooms import views

urlpatterns = [
    path("", views.landing, name="landing"),
    path("join/", views.join, name="join"),
    path("j/<str:code>/", views.join, name="join_with_code"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("classes/", views.classes, name="classes"),
    path("classes/new/", views.classroom_new, name="classroom_new"),
    path("classes/<int:classroom_id>/texts/new/", views.text_new, name="text_new"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/", views.student, name="student"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/remove/", views.student_remove,
         name="student_remove"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/pin/", views.student_pin, name="student_pin"),
    path("classes/<int:classroom_id>/code/", views.code_rotate, name="code_rotate"),
    path("classes/<int:classroom_id>/qr.svg", views.classroom_qr, name="classroom_qr"),
]
