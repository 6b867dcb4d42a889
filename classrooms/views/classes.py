"""A teacher's classes: the list, a new one, its code."""

import segno
from django.contrib import messages
from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classrooms.decorators import teacher_required
from classrooms.forms.classes import ClassroomForm
from classrooms.models import Classroom
from classrooms.services.classes import create_classroom, rotate_code
from classrooms.views.lookups import classroom_or_404, redirect_back


@require_safe
@teacher_required
def classes(request):
    """A teacher's classes: who is reading now, what waits."""
    # A subquery each: joined together, students, questions and texts would multiply one another.
    rows = request.user.classrooms.annotate(
        student_count=_count("enrollments", removed_at=None),
        reading_now=_count("enrollments", removed_at=None, reading_sessions__status="reading",
                           reading_sessions__last_seen__isnull=False),
        open_questions=_count("interruptions", state__in=["queued", "answering"]),
        text_count=_count("texts"))
    cards = [{"classroom": row, "reading_now": row.reading_now, "open_questions": row.open_questions,
              "students": row.student_count, "texts": row.text_count} for row in rows]
    archived = [card for card in cards if card["classroom"].archived_at]
    return render(request, "classrooms/classes.html", {
        "classrooms": [card for card in cards if not card["classroom"].archived_at],
        "archived": sorted(archived, key=lambda card: card["classroom"].archived_at, reverse=True)})


def _count(related: str, **conditions):
    """Return the subquery that counts what of a class's `related` rows meets the conditions."""
    conditions = {f"{related}__{name}": value for name, value in conditions.items()}
    rows = Classroom.objects.filter(pk=OuterRef("pk"), **conditions).order_by().values("pk")
    counted = rows.annotate(number=Count(related, distinct=True)).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def classroom_new(request):
    """A new class, in one step."""
    form = ClassroomForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        classroom = create_classroom(teacher=request.user, name=form.cleaned_data["name"])
        messages.success(request, _("The class is open. Its code is %(code)s.") % {"code": classroom.code_display})
        return redirect("room", classroom.pk)
    return render(request, "classrooms/classroom_new.html", {"form": form},
                  status=400 if request.method == "POST" else 200)


@require_POST
@teacher_required
def code_rotate(request, classroom_id):
    """Give the class a new code."""
    classroom = classroom_or_404(request, classroom_id)
    rotate_code(classroom)
    messages.success(request, _("The new code is %(code)s.") % {"code": classroom.code_display})
    return redirect_back(request, "room", classroom.pk)


@require_safe
@teacher_required
def classroom_qr(request, classroom_id):
    """The class's door as a QR code."""
    classroom = classroom_or_404(request, classroom_id)
    url = request.build_absolute_uri(reverse("join_with_code", args=[classroom.code]))
    svg = segno.make(url, error="m").svg_inline(scale=8, border=2, dark="#000", light="#fff", omitsize=True)
    return HttpResponse(svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1), content_type="image/svg+xml")
