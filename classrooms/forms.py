"""Forms of the pages that open a class: join, log in, new class, new text, PIN."""

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from classrooms import services
from classrooms.importing import UnreadableText, decode, import_text

pin_of_digits = RegexValidator(r"^[0-9]{4,6}$", _("A PIN has 4 to 6 digits."))
# Controls, and the marks that turn the direction of what stands around them.
no_control_characters = RegexValidator(
    r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", _("This holds characters that cannot be used."),
    inverse_match=True)


UNREADABLE = {
    "empty": _("There is nothing to read here. Paste a text or choose a file."),
    "binary": _("That is not a plain text file. Save it as plain text (.txt) first."),
    "undecodable": _("That file's letters could not be read. Save it as UTF-8 text and try again."),
}


class PinField(forms.CharField):
    def __init__(self, **kwargs):
        super().__init__(label=_("PIN"), max_length=6, validators=[pin_of_digits], strip=True, widget=forms.PasswordInput(
            attrs={"inputmode": "numeric", "autocomplete": "current-password", "pattern": "[0-9]{4,6}"}), **kwargs)


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
        nickname = services.tidy_nickname(self.cleaned_data["nickname"])
        key = services.nickname_key(nickname)
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
            self.enrollment = services.join_classroom(
                code=cleaned["code"], nickname=cleaned["nickname"], pin=cleaned["pin"], address=self._address)
        except services.WrongCode:
            self.add_error("code", _("No class has this code. Look at the board once more."))
        except services.WrongPin:
            self.add_error("pin", _("Someone here has this nickname, and this is not their PIN. "
                                    "If it is you, try again; if not, choose another nickname."))
        except services.TooManyAttempts:
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
        key = f"{cleaned['username'].casefold()}@{self._address}"
        if not services.count_attempt("password", key, limit=settings.LIMITS.password_attempts):
            self.throttled = True
            raise forms.ValidationError(_("Too many tries. Wait an hour, or ask your administrator."))
        self.user = authenticate(self._request, username=cleaned["username"], password=cleaned["password"])
        if self.user is None or not self.user.is_teacher:
            self.user = None
            raise forms.ValidationError(_("That user name and password do not belong together."))
        services.forget_attempts("password", key)
        return cleaned


class ClassroomForm(forms.Form):
    name = forms.CharField(label=_("Name of the class"), max_length=100, validators=[no_control_characters],
                           widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("7B")}))


class PinForm(forms.Form):
    pin = PinField()


class TextForm(forms.Form):
    """A text pasted or uploaded. `cleaned_data["raw"]` is what to import; its title may come from the text itself.

    `too_large` is set where the file is refused for its size.
    """

    title = forms.CharField(label=_("Title"), max_length=200, required=False, validators=[no_control_characters],
                            help_text=_("Leave empty to take it from the text."))
    level = forms.CharField(label=_("Reading level"), max_length=60, required=False,
                            validators=[no_control_characters], widget=forms.TextInput(
                                attrs={"placeholder": _("ages 9 to 11")}))
    body = forms.CharField(label=_("Paste the text"), required=False, strip=False, widget=forms.Textarea(
        attrs={"rows": 14, "spellcheck": "false"}))
    file = forms.FileField(label=_("or choose a file"), required=False, widget=forms.ClearableFileInput(
        attrs={"accept": ".txt,text/plain"}), help_text=_("Plain text (.txt), up to 5 MB."))

    too_large = False

    def clean(self):
        cleaned = super().clean()
        file, body = cleaned.get("file"), cleaned.get("body", "")
        if self.errors:
            return cleaned
        if file and file.size > settings.LIMITS.upload_bytes:
            self.too_large = True
            raise forms.ValidationError(_("That file is larger than 5 MB."))
        try:
            cleaned["raw"] = decode(file.read()) if file else body
            imported = import_text(cleaned["raw"])
        except UnreadableText as error:
            raise forms.ValidationError(UNREADABLE[error.code]) from None
        if not (cleaned.get("title") or imported.title):
            self.add_error("title", _("Give the text a title."))
        return cleaned
