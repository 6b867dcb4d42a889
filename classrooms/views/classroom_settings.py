"""What teachers set about a class: name, door, AI and its budget, code, co-teachers, whether it is put away."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from classrooms.decorators import teacher_required
from classrooms.forms.classes import ClassroomSettingsForm, CoTeacherForm
from classrooms.models import Classroom, User
from classrooms.services.attempts import count_attempt
from classrooms.services.classes import (
    LastTeacher,
    UnknownTeacher,
    add_teacher,
    archive_classroom,
    change_classroom,
    remove_teacher,
    unarchive_classroom,
)
from classrooms.views.lookups import classroom_or_404


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def classroom_settings(request, classroom_id):
    """Everything that can be set about a class, on one page."""
    classroom = classroom_or_404(request, classroom_id)
    form = ClassroomSettingsForm(request.POST or None, initial=_stored(classroom))
    if request.method == "POST" and form.is_valid():
        change_classroom(classroom, **form.changes())
        messages.success(request, _("The settings are saved."))
        return redirect("classroom_settings", classroom.pk)
    status = 200 if request.method != "POST" else 409 if form.overtaken else 400
    return _page(request, classroom, form=form, status=status)


@require_POST
@teacher_required
def teacher_add(request, classroom_id):
    """Let a colleague teach the class too."""
    classroom = classroom_or_404(request, classroom_id)
    form = CoTeacherForm(request.POST)
    if not form.is_valid():
        return _page(request, classroom, co_teacher_form=form, status=400)
    # Whether a name is known is told here, so it is not told without end.
    if not count_attempt("colleague", str(request.user.pk), limit=settings.LIMITS.colleagues):
        form.add_error("name", _("Too many tries. Wait an hour, or ask your administrator."))
        return _page(request, classroom, co_teacher_form=form, status=429)
    try:
        teacher = add_teacher(classroom, name=form.cleaned_data["name"])
    except UnknownTeacher:
        form.add_error("name", _("No teacher is found by this. They need an account here; ask for their user name. "
                                 "An e-mail address counts once they have confirmed it."))
        return _page(request, classroom, co_teacher_form=form, status=400)
    messages.success(request, _("%(name)s teaches this class too.") % {"name": teacher.username})
    return redirect("classroom_settings", classroom.pk)


@require_POST
@teacher_required
def teacher_remove(request, classroom_id, teacher_id):
    """Take a colleague from the class, or oneself."""
    classroom = classroom_or_404(request, classroom_id)
    try:
        teacher = remove_teacher(classroom, teacher_id=teacher_id)
    except User.DoesNotExist:
        raise Http404 from None
    except LastTeacher:
        messages.error(request, _("Somebody must teach this class. Add a colleague first, or archive it."))
        return redirect("classroom_settings", classroom.pk)
    messages.success(request, _("%(name)s no longer teaches %(classroom)s.") % {
        "name": teacher.username, "classroom": classroom.name})
    return redirect("classes") if teacher == request.user else redirect("classroom_settings", classroom.pk)


@require_POST
@teacher_required
def archive(request, classroom_id):
    """Put a class away."""
    classroom = classroom_or_404(request, classroom_id)
    archive_classroom(classroom)
    messages.success(request, _("%(classroom)s is archived. You find it below your other classes.") % {
        "classroom": classroom.name})
    return redirect("classes")


@require_POST
@teacher_required
def unarchive(request, classroom_id):
    """Bring a class back."""
    classroom = classroom_or_404(request, classroom_id)
    unarchive_classroom(classroom)
    messages.success(request, _("%(classroom)s is back. Its students come in by the same door.") % {
        "classroom": classroom.name})
    return redirect("classroom_settings", classroom.pk)


def _page(request, classroom: Classroom, *, status: int, form=None, co_teacher_form=None):
    return render(request, "classrooms/classroom_settings.html", {
        "classroom": classroom, "teachers": list(classroom.teachers.order_by("username")),
        "form": form or ClassroomSettingsForm(initial=_stored(classroom)),
        "co_teacher_form": co_teacher_form or CoTeacherForm()}, status=status)


def _stored(classroom: Classroom) -> dict:
    return {name: getattr(classroom, name) for name in ClassroomSettingsForm.base_fields}
