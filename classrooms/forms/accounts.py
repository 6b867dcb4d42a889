"""Forms of teachers' accounts: sign-up, profile, a new password. Students have none of these."""

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm, SetPasswordForm, UserCreationForm
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from classrooms.forms.fields import no_control_characters
from classrooms.models import User
from classrooms.services import accounts, attempts

THROTTLED = _("Too many tries. Wait an hour, or ask your administrator.")
NAME_TAKEN = _("This name is taken. Please choose another.")
# Colleagues find each other by name or address: one that is made up must not pass for another's address.
LIKE_AN_ADDRESS = _("A user name has no @. Your address goes into the next field.")
LONGEST_PASSWORD = 1_000  # as the log-in takes them


class OurPasswords:
    """Mixed into Django's forms: passwords that the log-in takes, and words of our own beside them."""

    throttled = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            # The page begins at its heading, for those who hear it.
            field.widget.attrs.pop("autofocus", None)
            if isinstance(field.widget, forms.PasswordInput):
                field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))
                field.help_text = _("At least 8 characters. Not a common one, and not like your name."
                                    ) if name.endswith("1") else ""
            if name.endswith("2"):
                field.label = _("The same again")


class SignUpForm(OurPasswords, UserCreationForm):
    """A teacher's own account. `throttled` says why it may not be made."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ["username", "email"]
        labels = {"username": _("User name"), "email": _("E-mail")}
        error_messages = {"username": {"unique": NAME_TAKEN}}
        help_texts = {"username": _("Letters, digits and . + - _"),
                      "email": _("You may leave this empty. Without it nobody can send you a new password.")}

    def __init__(self, *args, address: str, **kwargs):
        super().__init__(*args, **kwargs)
        self._address = address

    def clean_username(self):
        # Counted before it is looked up: this is the one place that says whether a name is taken.
        if not attempts.count_attempt("sign-up", self._address, limit=settings.LIMITS.sign_ups):
            self.throttled = True
            raise forms.ValidationError(THROTTLED)
        if "@" in self.cleaned_data["username"]:
            raise forms.ValidationError(LIKE_AN_ADDRESS)
        return super().clean_username()

    def save(self):
        """Return the new teacher, or None where another took the name in this moment."""
        try:
            return accounts.sign_up(username=self.cleaned_data["username"], email=self.cleaned_data["email"],
                                    password=self.cleaned_data["password1"])
        except accounts.NameTaken:
            self.add_error("username", NAME_TAKEN)
            return None


class OwnPassword:
    """Mixed into forms that ask a logged-in teacher, `self.user`, for their password once more."""

    throttled = False

    def check_own_password(self, password: str) -> None:
        try:
            if accounts.is_own_password(self.user, password):
                return
        except attempts.TooManyAttempts:
            self.throttled = True
            raise forms.ValidationError(THROTTLED) from None
        raise forms.ValidationError(_("That is not your password."))


class ProfileForm(OwnPassword, forms.Form):
    """Name and address. Another address asks for the password: whoever holds the mailbox can get a new one."""

    first_name = forms.CharField(label=_("First name"), max_length=150, required=False,
                                 validators=[no_control_characters],
                                 widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False,
                                validators=[no_control_characters],
                                widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    email = forms.EmailField(label=_("E-mail"), max_length=254, required=False,
                             widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = forms.CharField(
        label=_("Password"), max_length=LONGEST_PASSWORD, strip=False, required=False,
        help_text=_("Only to change the e-mail address."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    def __init__(self, *args, user: User, **kwargs):
        super().__init__(*args, initial={
            "first_name": user.first_name, "last_name": user.last_name, "email": user.email}, **kwargs)
        self.user = user

    def clean(self):
        cleaned = super().clean()
        if not self.errors and cleaned["email"] != self.user.email:
            try:
                self.check_own_password(cleaned["password"])
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned


class OwnPasswordChangeForm(OwnPassword, OurPasswords, PasswordChangeForm):
    """The old password and the new one twice."""

    field_order = ["old_password", "new_password1", "new_password2"]

    def clean_old_password(self):
        self.check_own_password(self.cleaned_data["old_password"])
        return self.cleaned_data["old_password"]


class ForgottenForm(PasswordResetForm):
    """The address of an account. Whether there is one is never told."""

    throttled = False

    def __init__(self, *args, address: str, **kwargs):
        super().__init__(*args, **kwargs)
        self._address = address
        self.fields["email"].label = _("E-mail")

    def clean(self):
        cleaned = super().clean()
        if not self.errors and not attempts.count_attempt("letters", self._address, limit=settings.LIMITS.letters):
            self.throttled = True
            raise forms.ValidationError(THROTTLED)
        return cleaned

    def teachers(self) -> list[User]:
        """Return who is to be written to. Beyond a few letters an hour to one mailbox: nobody."""
        email = self.cleaned_data["email"]
        wanted = attempts.count_attempt("letters-to", email.casefold(), limit=settings.LIMITS.letters_to)
        return [user for user in self.get_users(email) if user.is_teacher] if wanted else []


class NewPasswordForm(OurPasswords, SetPasswordForm):
    """The new password twice, for someone who opened the link in a letter."""
