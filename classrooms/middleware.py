"""Gives each request of a student their enrollment, and ends log-ins that are over."""

import time

from django.conf import settings
from django.contrib.auth import logout

from classrooms.models import Enrollment


class EnrollmentMiddleware:
    """Sets `request.enrollment` lazily through `enrollment_of` and closes a log-in after its absolute time."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        auth_at = request.session.get("auth_at")
        if auth_at is not None and time.time() - auth_at > settings.DURATIONS.session_absolute:
            logout(request)
        return self.get_response(request)


def enrollment_of(request) -> Enrollment | None:
    """Return the class that this log-in reads in; None for teachers and for students who were removed."""
    if not hasattr(request, "_enrollment"):
        request._enrollment = None
        if request.user.is_authenticated and request.user.is_student:
            request._enrollment = (Enrollment.objects.select_related("classroom")
                                   .filter(user=request.user, removed_at=None).order_by("-pk").first())
    return request._enrollment
