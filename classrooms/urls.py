"""Addresses of the pages that open a class."""

from django.urls import path

from classrooms.views import accounts, classes, classroom_settings, doors, roster, text_forms, texts

urlpatterns = [
    path("", doors.landing, name="landing"),
    path("join/", doors.join, name="join"),
    path("j/<str:code>/", doors.join, name="join_with_code"),
    path("login/", doors.login, name="login"),
    path("logout/", doors.logout, name="logout"),
    path("signup/", accounts.signup, name="signup"),
    path("account/", accounts.account, name="account"),
    path("account/password/", accounts.password_change, name="password_change"),
    path("account/email/", accounts.email_letter, name="email_letter"),
    path("account/email/<str:token>/", accounts.email_confirm, name="email_confirm"),
    path("password/reset/", accounts.password_reset, name="password_reset"),
    path("password/reset/sent/", accounts.password_reset_sent, name="password_reset_sent"),
    path("password/reset/<str:uidb64>/<str:token>/", accounts.password_reset_confirm,
         name="password_reset_confirm"),
    path("classes/", classes.classes, name="classes"),
    path("classes/new/", classes.classroom_new, name="classroom_new"),
    path("classes/<int:classroom_id>/texts/new/", text_forms.text_new, name="text_new"),
    path("texts/", texts.texts, name="texts"),
    path("texts/new/", text_forms.text_create, name="text_create"),
    path("texts/<int:text_id>/", texts.text, name="text"),
    path("texts/<int:text_id>/edit/", text_forms.text_edit, name="text_edit"),
    path("texts/<int:text_id>/classes/", texts.text_classes, name="text_classes"),
    path("texts/<int:text_id>/delete/", texts.text_delete, name="text_delete"),
    path("classes/<int:classroom_id>/settings/", classroom_settings.classroom_settings, name="classroom_settings"),
    path("classes/<int:classroom_id>/teachers/", classroom_settings.teacher_add, name="teacher_add"),
    path("classes/<int:classroom_id>/teachers/<int:teacher_id>/remove/", classroom_settings.teacher_remove,
         name="teacher_remove"),
    path("classes/<int:classroom_id>/archive/", classroom_settings.archive, name="classroom_archive"),
    path("classes/<int:classroom_id>/unarchive/", classroom_settings.unarchive, name="classroom_unarchive"),
    path("classes/<int:classroom_id>/roster/", roster.roster, name="roster"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/", roster.student, name="student"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/remove/", roster.student_remove,
         name="student_remove"),
    path("classes/<int:classroom_id>/students/<int:enrollment_id>/pin/", roster.student_pin, name="student_pin"),
    path("classes/<int:classroom_id>/code/", classes.code_rotate, name="code_rotate"),
    path("classes/<int:classroom_id>/qr.svg", classes.classroom_qr, name="classroom_qr"),
]
