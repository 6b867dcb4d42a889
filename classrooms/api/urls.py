"""Addresses of REST on texts, classes and tokens, below `/api/v1/`."""

from django.urls import path

from classrooms.api import classes, texts, tokens

urlpatterns = [
    path("texts/", texts.TextList.as_view(), name="api_texts"),
    path("texts/<int:text_id>/", texts.OneText.as_view(), name="api_text"),
    path("texts/<int:text_id>/pages/<int:page>/", texts.TextPage.as_view(), name="api_text_page"),
    path("classrooms/", classes.ClassroomList.as_view(), name="api_classrooms"),
    path("classrooms/<int:classroom_id>/", classes.OneClassroom.as_view(), name="api_classroom"),
    path("classrooms/<int:classroom_id>/enrollments/", classes.EnrollmentList.as_view(), name="api_enrollments"),
    path("classrooms/<int:classroom_id>/enrollments/<int:enrollment_id>/", classes.OneEnrollment.as_view(),
         name="api_enrollment"),
    path("token/", tokens.OwnToken.as_view(), name="api_token"),
]
