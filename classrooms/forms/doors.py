"""Forms of the two doors: a student joins, a teacher logs in."""

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _

from classrooms.forms.fields import PinField, no_control_characters
from classrooms.services import accounts, attempts, doors


class JoinForm(forms.Form):
    """Class code, nickname, PIN. `enrollment` is set when the door opens; `throttled` says why it may not."""

    code = forms.CharField(label=_("Class code"), max_length=20, widget=forms.TextInput(
        attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "placeholder": "KM4T-9XPA"}))
    nickname = forms.CharField(label=_("Nickname"), min_length=1, max_length=40, validators=[no_control_characters],
                               widget=forms.TextInput(attrs={"autocomplete": "username", "spellcheck": "false"}))
    pin = PinField(help_text=_("4 to 6 digits. New here? Choose one and remember it."))

    enrollment = None
    throttled = False

    def __init__(self, *args, address: str = "", **kwargs):
        super().__init__(*args, **kwargs)
        self._address = address

    def clean_nickname(self):
        nickname = doors.tidy_nickname(self.cleaned_data["nickname"])
        key = doors.nickname_key(nickname)
        if not key:
            raise forms.ValidationError(_("Choose a nickname that others can see."))
        # Some letters become several when they are tidied, so the length counts again here.
        if len(nickname) > 40 or len(key) > 80:
            raise forms.ValidationError(_("That nickname is too long."))
        return nickname

    def clean(self):
        cleaned = super().clean()
        if self.errors:
            return cleaned
        try:
            self.enrollment = doors.join_classroom(
                code=cleaned["code"], nickname=cleaned["nickname"], pin=cleaned["pin"], address=self._address)
        except doors.WrongCode:
            self.add_error("code", _("No class has this code. Look at the board once more."))
        except doors.WrongPin:
            self.add_error("pin", _("Someone here has this nickname, and this is not their PIN. "
                                    "If it is you, try again; if not, choose another nickname."))
        except doors.TooManyCodes:
            self.throttled = True
            self.add_error("code", _("No class has this code, and many wrong ones came from here. Look at the board once "
                                     "more: the right code opens."))
        except attempts.TooManyAttempts:
            self.throttled = True
            self.add_error(None, _("Too many tries. Ask your teacher, or wait an hour."))
        return cleaned


class LogInForm(forms.Form):
    """A teacher's user name and password. The same words for an unknown name and a wrong password."""

    username = forms.CharField(label=_("User name"), max_length=150, widget=forms.TextInput(
        attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}))
    password = forms.CharField(label=_("Password"), max_length=1_000, strip=False, widget=forms.PasswordInput(
        attrs={"autocomplete": "current-password"}))

    user = None
    throttled = False

    def __init__(self, *args, request, address: str, **kwargs):
        super().__init__(*args, **kwargs)
        self._request = request
        self._address = address

    def clean(self):
        cleaned = super().clean()
        if self.errors:
            return cleaned
        key = accounts.password_key(cleaned["username"], self._address)
        if not attempts.count_attempt("password", key, limit=settings.LIMITS.password_attempts,
                                      subject=cleaned["username"].casefold()):
            self.throttled = True
            raise forms.ValidationError(_("Too many tries. Wait an hour, or ask your administrator."))
        self.user = authenticate(self._request, username=cleaned["username"], password=cleaned["password"])
        if self.user is None or not self.user.is_teacher:
            self.user = None
            raise forms.ValidationError(_("That user name and password do not belong together."))
        attempts.forget_attempts("password", key)
        return cleaned
