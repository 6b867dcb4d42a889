"""Who may see a page. A signed-in person of the other kind is told so; a stranger is sent to the right door.

That no cache keeps what they see is the middleware's to say.
"""

from functools import wraps

from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from classrooms.middleware import enrollment_of, last_enrollment_of


def teacher_required(view):
    """Let teachers in; send strangers to the log-in."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_authenticated:
            return _to_door("login", request)
        if not request.user.is_teacher:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def student_required(view):
    """Let students in with `request.enrollment` set; send strangers, and those who were removed, to the class door.

    Those of an archived class are told that it is over.
    """

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_authenticated:
            return _to_door("join", request)
        request.enrollment = enrollment_of(request)
        if not request.user.is_student:
            raise PermissionDenied
        if request.enrollment is None:
            last = last_enrollment_of(request)
            if last is None:
                return redirect("join")
            return render(request, "classrooms/archived.html", {"enrollment": last}, status=403)
        return view(request, *args, **kwargs)

    return guarded


def _to_door(name, request):
    response = redirect(name)
    response["Location"] += "?" + urlencode({"next": request.get_full_path()})
    return response
