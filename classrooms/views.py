"""Pages that open a class: landing, doors, a teacher's classes, texts and roster. Each calls `services` and renders."""

import ipaddress

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as auth_login
from django.contrib.auth import logout as auth_logout
from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classrooms import demo, log_ins, services
from classrooms.decorators import teacher_required
from classrooms.forms import ClassroomForm, JoinForm, LogInForm, PinForm, TextForm
from classrooms.models import Classroom, Enrollment
from classrooms.panels import PANELS


@require_safe
def landing(request):
    """What this is, and the two doors."""
    return render(request, "classrooms/landing.html", {"demo_accounts": demo.accounts()})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("pin")
def join(request, code=""):
    """The one door for students, for the first visit and for every other."""
    form = JoinForm(request.POST or None, initial={"code": code}, address=client_address(request))
    if request.method == "POST" and form.is_valid():
        _start_session(request, form.enrollment.user, backend=log_ins.STUDENT_BACKEND)
        return _to_wanted_page(request, otherwise="books")
    status = 200 if request.method != "POST" else 429 if form.throttled else 400
    return render(request, "classrooms/join.html", {"form": form, "code": code}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
def login(request):
    """The door for teachers and administrators."""
    form = LogInForm(request.POST or None, request=request, address=client_address(request))
    if request.method == "POST" and form.is_valid():
        _start_session(request, form.user, backend=form.user.backend)
        return _to_wanted_page(request, otherwise="classes")
    status = 200 if request.method != "POST" else 429 if form.throttled else 400
    return render(request, "classrooms/login.html", {"form": form}, status=status)


@require_POST
def logout(request):
    auth_logout(request)
    return redirect("landing")


def _start_session(request, user, *, backend):
    # Tablets are shared: whoever was logged in here leaves, and their open sockets close.
    if request.user.is_authenticated:
        auth_logout(request)
    auth_login(request, user, backend=backend)
    log_ins.begin(request.session)


def _to_wanted_page(request, *, otherwise: str):
    """Go to the page the person wanted, if it is one of ours."""
    wanted = request.GET.get("next", "")
    ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    # Not redirect(): it would take a word without a slash for the name of a view.
    return HttpResponseRedirect(wanted) if ours else redirect(otherwise)


def client_address(request) -> str:
    """Return what guesses are counted by: an IPv4 address, or the IPv6 network that one household or school has.

    A forwarded address is believed only behind a declared proxy, and of those the one the proxy itself added.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR")):
        address = forwarded.rsplit(",", 1)[-1].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # a Unix socket has none
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ipaddress.ip_network((int(parsed), 64), strict=False) if parsed.version == 6 else parsed)


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
    return render(request, "classrooms/classes.html", {"classrooms": [
        {"classroom": row, "reading_now": row.reading_now, "open_questions": row.open_questions,
         "students": row.student_count, "texts": row.text_count} for row in rows]})


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
        classroom = services.create_classroom(teacher=request.user, name=form.cleaned_data["name"])
        messages.success(request, _("The class is open. Its code is %(code)s.") % {"code": classroom.code_display})
        return redirect("room", classroom.pk)
    return render(request, "classrooms/classroom_new.html", {"form": form},
                  status=400 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def text_new(request, classroom_id):
    """A text for the class, pasted or uploaded."""
    classroom = _classroom(request, classroom_id)
    form = TextForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        text = services.create_text(
            owner=request.user, raw=form.cleaned_data["raw"], title=form.cleaned_data["title"],
            level=form.cleaned_data["level"], classrooms=[classroom])
        messages.success(request, _("“%(title)s” is ready: %(pages)d pages.") % {
            "title": text.title, "pages": text.page_count})
        return redirect("room", classroom.pk)
    status = 200 if request.method != "POST" else 413 if form.too_large else 400
    return render(request, "classrooms/text_new.html", {"form": form, "classroom": classroom}, status=status)


@require_safe
@teacher_required
def student(request, classroom_id, enrollment_id):
    """One student, for their teacher: reading and questions."""
    enrollment = _enrollment(request, classroom_id, enrollment_id)
    return render(request, "classrooms/student.html", {
        "classroom": enrollment.classroom, "enrollment": enrollment, "pin_form": PinForm(),
        "panels": [panel(enrollment) for panel in PANELS]})


@require_POST
@teacher_required
def student_remove(request, classroom_id, enrollment_id):
    """Take a student out of the class."""
    enrollment = _enrollment(request, classroom_id, enrollment_id)
    services.remove_student(enrollment)
    messages.success(request, _("%(nickname)s is no longer in this class.") % {"nickname": enrollment.nickname})
    return redirect("room", classroom_id)


@require_POST
@teacher_required
@sensitive_post_parameters("pin")
def student_pin(request, classroom_id, enrollment_id):
    """Give a student a new PIN."""
    enrollment = _enrollment(request, classroom_id, enrollment_id)
    form = PinForm(request.POST)
    if form.is_valid():
        services.set_pin(enrollment, pin=form.cleaned_data["pin"])
        messages.success(request, _("%(nickname)s has a new PIN.") % {"nickname": enrollment.nickname})
    else:
        messages.error(request, _("A PIN has 4 to 6 digits."))
    return redirect("student", classroom_id, enrollment_id)


@require_POST
@teacher_required
def code_rotate(request, classroom_id):
    """Give the class a new code."""
    classroom = _classroom(request, classroom_id)
    services.rotate_code(classroom)
    messages.success(request, _("The new code is %(code)s.") % {"code": classroom.code_display})
    return redirect("room", classroom.pk)


@require_safe
@teacher_required
def classroom_qr(request, classroom_id):
    """The class's door as a QR code."""
    classroom = _classroom(request, classroom_id)
    url = request.build_absolute_uri(reverse("join_with_code", args=[classroom.code]))
    svg = segno.make(url, error="m").svg_inline(scale=8, border=2, dark="#000", light="#fff", omitsize=True)
    return HttpResponse(svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1), content_type="image/svg+xml")


def _classroom(request, classroom_id) -> Classroom:
    try:
        return services.classroom_for_user(request.user, classroom_id)
    except Classroom.DoesNotExist:
        raise Http404 from None


def _enrollment(request, classroom_id, enrollment_id) -> Enrollment:
    try:
        return services.enrollment_for_user(request.user, classroom_id, enrollment_id)
    except Enrollment.DoesNotExist:
        raise Http404 from None

