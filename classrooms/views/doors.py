"""The landing page and the two doors: students join, teachers log in."""

import ipaddress

from django.conf import settings
from django.contrib.auth import login as auth_login
from django.contrib.auth import logout as auth_logout
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classrooms import demo, log_ins
from classrooms.forms.doors import JoinForm, LogInForm


@require_safe
def landing(request):
    """What this is, and the two doors."""
    return render(request, "classrooms/landing.html", {
        "demo_accounts": demo.accounts(), "sign_up": settings.SIGN_UP})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("pin")
def join(request, code=""):
    """The one door for students, for the first visit and for every other."""
    form = JoinForm(request.POST or None, initial={"code": code}, address=client_address(request))
    if request.method == "POST" and form.is_valid():
        start_session(request, form.enrollment.user, backend=log_ins.STUDENT_BACKEND)
        return _to_wanted_page(request, otherwise="books")
    status = 200 if request.method != "POST" else 429 if form.throttled else 400
    return render(request, "classrooms/join.html", {"form": form, "code": code}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
def login(request):
    """The door for teachers and administrators."""
    form = LogInForm(request.POST or None, request=request, address=client_address(request))
    if request.method == "POST" and form.is_valid():
        start_session(request, form.user, backend=form.user.backend)
        return _to_wanted_page(request, otherwise="classes")
    status = 200 if request.method != "POST" else 429 if form.throttled else 400
    return render(request, "classrooms/login.html", {"form": form, "sign_up": settings.SIGN_UP}, status=status)


@require_POST
def logout(request):
    auth_logout(request)
    return redirect("landing")


def start_session(request, user, *, backend):
    """Begin a log-in on a browser, of which nothing of an earlier one is left."""
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
