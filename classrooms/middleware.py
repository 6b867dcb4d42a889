"""Gives each request of a student their enrollment, ends log-ins that are over, keeps private pages out of caches."""

from django.contrib.auth import SESSION_KEY, logout
from django.utils.cache import add_never_cache_headers

from classrooms import log_ins
from classrooms.models import Enrollment


class EnrollmentMiddleware:
    """Closes a log-in after its time; marks what a log-in was shown as nobody else's to keep."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if log_ins.is_over(request.session):
            logout(request)
        else:
            log_ins.note_activity(request.session)
        response = self.get_response(request)
        # Static files and the scripts' catalogue say themselves how long they keep.
        if SESSION_KEY in request.session and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


def enrollment_of(request) -> Enrollment | None:
    """Return the class that this log-in reads in; None for teachers, students who were removed, archived classes."""
    enrollment = last_enrollment_of(request)
    return enrollment if enrollment and enrollment.classroom.archived_at is None else None


def last_enrollment_of(request) -> Enrollment | None:
    """Return the class that this log-in reads in, or read in until it was archived."""
    if not hasattr(request, "_enrollment"):
        request._enrollment = None
        if request.user.is_authenticated and request.user.is_student:
            request._enrollment = (Enrollment.objects.select_related("classroom")
                                   .filter(user=request.user, removed_at=None).order_by("-pk").first())
    return request._enrollment
