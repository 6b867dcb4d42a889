"""Fields and checks that several forms share."""

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

pin_of_digits = RegexValidator(r"^[0-9]{4,6}$", _("A PIN has 4 to 6 digits."))
# Controls, and the marks that turn the direction of what stands around them.
no_control_characters = RegexValidator(
    r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", _("This holds characters that cannot be used."),
    inverse_match=True)


class PinField(forms.CharField):
    def __init__(self, **kwargs):
        super().__init__(label=_("PIN"), max_length=6, validators=[pin_of_digits], strip=True, widget=forms.PasswordInput(
            attrs={"inputmode": "numeric", "autocomplete": "current-password", "pattern": "[0-9]{4,6}"}), **kwargs)
