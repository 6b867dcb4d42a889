"""A teacher's account: made at `/signup/`, kept at `/account/`, got back by a letter at `/password/reset/`."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classrooms import letters
from classrooms.decorators import teacher_required
from classrooms.forms.accounts import ForgottenForm, NewPasswordForm, OwnPasswordChangeForm, ProfileForm, SignUpForm
from classrooms.services import accounts, attempts
from classrooms.views.doors import client_address, start_session

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
def signup(request):
    """A new teacher's own account, where the administrator lets teachers make them."""
    if not settings.SIGN_UP:
        return render(request, "classrooms/signup.html", status=403)
    form = SignUpForm(request.POST or None, address=client_address(request))
    if request.method == "POST" and form.is_valid() and (user := form.save()):
        start_session(request, user, backend=PASSWORD_BACKEND)
        messages.success(request, _("Welcome, %(name)s. Your account is ready.") % {"name": user.username})
        _ask_to_confirm(request, user)
        return redirect("classes")
    return render(request, "classrooms/signup.html", {"form": form}, status=_status(request, form))


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
@sensitive_post_parameters("password")
def account(request):
    """Name and e-mail of the teacher who is logged in."""
    user, old_email = request.user, request.user.email
    form = ProfileForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        accounts.change_profile(user, **{name: form.cleaned_data[name] for name in ("first_name", "last_name", "email")})
        messages.success(request, _("Your account is saved."))
        if user.email != old_email:
            if old_email:
                _tell(user, _("The e-mail address of the account was changed."), to=old_email)
            _ask_to_confirm(request, user)
        return redirect("account")
    return render(request, "classrooms/account.html", {"form": form, "sends_email": settings.SENDS_EMAIL},
                  status=_status(request, form))


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
@sensitive_post_parameters()
def password_change(request):
    """Another password: every other log-in of the teacher ends, this one goes on."""
    form = OwnPasswordChangeForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        accounts.change_password(
            request.user, password=form.cleaned_data["new_password1"], session_key=request.session.session_key)
        update_session_auth_hash(request, request.user)
        _tell(request.user, _("The password of the account was changed."))
        messages.success(request, _("You have a new password. Everywhere else you are logged out."))
        return redirect("account")
    return render(request, "classrooms/password_change.html", {"form": form}, status=_status(request, form))


@require_POST
@teacher_required
def email_letter(request):
    """Send the link by which a teacher shows that an address is theirs once more."""
    _ask_to_confirm(request, request.user)
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def email_confirm(request, token):
    """What that link opens: one button, because mail programs open links too."""
    if request.method != "POST":
        return render(request, "classrooms/email_confirm.html")
    try:
        accounts.confirm_email(request.user, token)
    except accounts.WrongLink:
        raise Http404 from None
    messages.success(request, _("Your address is confirmed. Colleagues can find you by it."))
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def password_reset(request):
    """For teachers who forgot their password. The same page and words whether or not the address is known."""
    form = ForgottenForm(request.POST or None, address=client_address(request))
    if not settings.SENDS_EMAIL:
        return render(request, "classrooms/password_reset.html", status=403 if request.method == "POST" else 200)
    if request.method == "POST" and form.is_valid():
        for user in form.teachers():
            link = letters.link(request, "password_reset_confirm", urlsafe_base64_encode(force_bytes(user.pk)),
                                default_token_generator.make_token(user))
            letters.write(user, subject=_("A new password for ReaderAI classroom"), template="password_reset",
                          context={"link": link, "minutes": settings.PASSWORD_RESET_TIMEOUT // 60})
        return redirect("password_reset_sent")
    return render(request, "classrooms/password_reset.html", {"form": form}, status=_status(request, form))


@require_safe
def password_reset_sent(request):
    """Says that a letter is on its way, if there is an account."""
    return render(request, "classrooms/password_reset_sent.html", {"minutes": settings.PASSWORD_RESET_TIMEOUT // 60})


class PasswordResetConfirm(PasswordResetConfirmView):
    """What the link in the letter opens. Django checks it, and keeps its secret out of the address from then on."""

    form_class = NewPasswordForm
    template_name = "classrooms/password_reset_confirm.html"
    success_url = reverse_lazy("login")

    def get_user(self, uidb64):
        user = super().get_user(uidb64)
        return user if user and user.is_teacher and user.is_active else None

    def form_valid(self, form):
        accounts.reset_password(self.user, password=form.cleaned_data["new_password1"])
        del self.request.session["_password_reset_token"]
        _tell(self.user, _("The password of the account was changed."))
        messages.success(self.request, _("You have a new password. Log in with it."))
        return redirect(self.success_url)

    def form_invalid(self, form):
        return self.render_to_response(self.get_context_data(form=form), status=400)


# Django's view answers any method where the link is wrong.
password_reset_confirm = require_http_methods(["GET", "HEAD", "POST"])(PasswordResetConfirm.as_view())


def _ask_to_confirm(request, user) -> None:
    """Send a confirmation link, a few times an hour at most."""
    if not user.email or user.email_confirmed or not settings.SENDS_EMAIL:
        return
    if not attempts.count_attempt("letters-of", str(user.pk), limit=settings.LIMITS.letters_to):
        messages.error(request, _("Enough letters for now. Look into your mailbox, or try again in an hour."))
        return
    letters.write(user, subject=_("Please confirm your address"), template="email_confirm",
                  context={"link": letters.link(request, "email_confirm", accounts.confirmation_token(user))})
    messages.success(request, _("A letter is on its way to %(address)s.") % {"address": user.email})


def _tell(user, what: str, *, to: str = "") -> None:
    """Write what happened to an account, in case it was somebody else who did it."""
    letters.write(user, subject=_("Your account at ReaderAI classroom"), template="changed",
                  context={"what": what}, to=to)


def _status(request, form) -> int:
    return 200 if request.method != "POST" else 429 if form.throttled else 400
