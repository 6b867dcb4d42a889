"""Forms of a class and its students."""

from django import forms
from django.utils.translation import gettext_lazy as _

from classrooms.forms.fields import PinField, no_control_characters


class ClassroomForm(forms.Form):
    name = forms.CharField(label=_("Name of the class"), max_length=100, validators=[no_control_characters],
                           widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("7B")}))


class ClassroomSettingsForm(ClassroomForm):
    """What teachers set about a class, all at once."""

    is_open = forms.BooleanField(label=_("The door is open"), required=False, help_text=_(
        "With the code students join and come back. Closed, nobody comes in; who is reading goes on."))
    ai_enabled = forms.BooleanField(label=_("AI answers questions"), required=False, help_text=_(
        "Off, the passage helper answers from the text itself. It is not AI."))
    daily_questions = forms.IntegerField(
        label=_("AI answers a day"), required=False, min_value=1, max_value=100_000, help_text=_(
            "For the whole class; after that the passage helper answers. Empty: no limit."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}))


class CoTeacherForm(forms.Form):
    """Another teacher, by user name or by an e-mail address that they confirmed."""

    name = forms.CharField(label=_("User name or e-mail"), max_length=254, validators=[no_control_characters],
                           widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none",
                                                         "spellcheck": "false"}))


class PinForm(forms.Form):
    pin = PinField()
