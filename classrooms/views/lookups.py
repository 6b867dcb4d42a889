"""What the pages' addresses name, looked up by what the teacher may see; anything else is a 404, present or absent.

Also the way back from what several pages can do.
"""

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import redirect

from classrooms.models import Classroom, Enrollment, Text
from classrooms.services.classes import classroom_for_user
from classrooms.services.roster import enrollment_for_user
from classrooms.services.texts import own_text_for_user, text_for_user


def classroom_or_404(request, classroom_id: int) -> Classroom:
    try:
        return classroom_for_user(request.user, classroom_id)
    except Classroom.DoesNotExist:
        raise Http404 from None


def enrollment_or_404(request, classroom_id: int, enrollment_id: int) -> Enrollment:
    try:
        return enrollment_for_user(request.user, classroom_id, enrollment_id)
    except Enrollment.DoesNotExist:
        raise Http404 from None


def text_or_404(request, text_id: int) -> Text:
    """Return a text of the teacher's own, or of a class they teach."""
    try:
        return text_for_user(request.user, text_id)
    except Text.DoesNotExist:
        raise Http404 from None


def own_text_or_404(request, text_id: int) -> Text:
    try:
        return own_text_for_user(request.user, text_id)
    except Text.DoesNotExist:
        raise Http404 from None


def present_classrooms(request) -> QuerySet[Classroom]:
    """Return the teacher's classes that are not archived."""
    return request.user.classrooms.filter(archived_at=None)


def redirect_back(request, otherwise: str, *args):
    """Go back to the page of the class whose form this was, or on to another page."""
    page = request.POST.get("back")
    return redirect(page, args[0]) if page in ("roster", "classroom_settings") else redirect(otherwise, *args)
