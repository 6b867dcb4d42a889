"""Forms of a class and its students."""

from django import forms
from django.utils.translation import gettext_lazy as _

from classrooms.forms.fields import PinField, no_control_characters


class ClassroomForm(forms.Form):
    name = forms.CharField(label=_("Name of the class"), max_length=100, validators=[no_control_characters],
                           widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("7B")}))


class ClassroomSettingsForm(ClassroomForm):
    """What teachers set about a class, all at once.

    `initial` is what is stored now. The page keeps what it showed in hidden fields, so that one that was opened long ago
    saves what was changed on it and nothing else.
    """

    is_open = forms.BooleanField(label=_("The door is open"), required=False, help_text=_(
        "With the code students join and come back. Closed, nobody comes in; who is reading goes on."))
    ai_enabled = forms.BooleanField(label=_("AI answers questions"), required=False, help_text=_(
        "Off, the passage helper answers from the text itself. It is not AI."))
    daily_questions = forms.IntegerField(
        label=_("AI answers a day"), required=False, min_value=1, max_value=100_000, help_text=_(
            "For the whole class; after that the passage helper answers. Empty: no limit."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}))
    overtaken = False  # a colleague changed a field that was changed here too

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def clean(self):
        for name, value in self.changes().items():
            stored = self.initial[name]
            if self._says_what_it_showed(name) and stored != value and self.fields[name].has_changed(
                    stored, self.data[self.add_initial_prefix(name)]):
                self._refuse_once(name, stored)
        return self.cleaned_data

    def changes(self) -> dict:
        """Return what is to be set: what was changed on the page, or all where the sender says not what it showed."""
        return {name: value for name, value in self.cleaned_data.items()
                if name in self.changed_data or not self._says_what_it_showed(name)}

    def _says_what_it_showed(self, name: str) -> bool:
        return self.add_initial_prefix(name) in self.data

    def _refuse_once(self, name: str, stored) -> None:
        """Say that `stored` was set meanwhile; who saves once more means it."""
        self.overtaken = True
        self.data = self.data.copy()
        self.data[self.add_initial_prefix(name)] = "" if stored is None else stored
        self.add_error(name, _(
            "Somebody changed this to “%(value)s” while your page was open. If you save again, yours takes its place.",
        ) % {"value": _("empty") if stored is None else stored})


class CoTeacherForm(forms.Form):
    """Another teacher, by user name or by an e-mail address that they confirmed."""

    name = forms.CharField(label=_("User name or e-mail"), max_length=254, validators=[no_control_characters],
                           widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none",
                                                         "spellcheck": "false"}))

    def __init__(self, *args, **kwargs):
        # It stands on one page with the class's own name: a label must lead to its own field.
        super().__init__(*args, auto_id="colleague_%s", **kwargs)


class PinForm(forms.Form):
    pin = PinField()
