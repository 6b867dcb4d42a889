"""A class's students, for their teacher."""

from django.contrib import messages
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from classrooms.decorators import teacher_required
from classrooms.forms.classes import PinForm
from classrooms.panels import PANELS
from classrooms.services.roster import remove_student, set_pin, students_of
from classrooms.views.lookups import classroom_or_404, enrollment_or_404, redirect_back


@require_safe
@teacher_required
def roster(request, classroom_id):
    """All students of a class, to look after and to print."""
    classroom = classroom_or_404(request, classroom_id)
    return render(request, "classrooms/roster.html", {"classroom": classroom, "students": students_of(classroom)})


@require_safe
@teacher_required
def student(request, classroom_id, enrollment_id):
    """One student, for their teacher: reading and questions."""
    enrollment = enrollment_or_404(request, classroom_id, enrollment_id)
    return render(request, "classrooms/student.html", {
        "classroom": enrollment.classroom, "enrollment": enrollment, "pin_form": PinForm(),
        "today": timezone.localdate(), "panels": [panel(enrollment) for panel in PANELS]})


@require_POST
@teacher_required
def student_remove(request, classroom_id, enrollment_id):
    """Take a student out of the class."""
    enrollment = enrollment_or_404(request, classroom_id, enrollment_id)
    remove_student(enrollment)
    messages.success(request, _("%(nickname)s is no longer in this class.") % {"nickname": enrollment.nickname})
    return redirect_back(request, "room", classroom_id)


@require_POST
@teacher_required
@sensitive_post_parameters("pin")
def student_pin(request, classroom_id, enrollment_id):
    """Give a student a new PIN."""
    enrollment = enrollment_or_404(request, classroom_id, enrollment_id)
    form = PinForm(request.POST)
    if form.is_valid():
        set_pin(enrollment, pin=form.cleaned_data["pin"])
        messages.success(request, _("%(nickname)s has a new PIN.") % {"nickname": enrollment.nickname})
    else:
        messages.error(request, _("A PIN has 4 to 6 digits."))
    return redirect_back(request, "student", classroom_id, enrollment_id)
