"""The form of a text, pasted or uploaded, new or edited, and of the classes that read it."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from classrooms.forms.fields import no_control_characters
from classrooms.importing import UnreadableText, decode, import_text
from classrooms.models import Classroom, Text

UNREADABLE = {
    "empty": _("There is nothing to read here. Paste a text or choose a file."),
    "binary": _("That is not a plain text file. Save it as plain text (.txt) first."),
    "undecodable": _("That file's letters could not be read. Save it as UTF-8 text and try again."),
}
MARKDOWN_FILES = (".md", ".markdown")


class ClassroomsField(forms.ModelMultipleChoiceField):
    """Some of the classes a teacher has."""

    def __init__(self, **kwargs):
        super().__init__(Classroom.objects.none(), label=_("Classes that read it"), required=False,
                         widget=forms.CheckboxSelectMultiple, **kwargs)


class TextForm(forms.Form):
    """A text on its way in.

    Once valid, `cleaned_data` holds `raw`, what to import, and `imported`, what comes of it. The text of a file is then
    in `body` too: between the form, its preview and the saving nothing is kept but what the page sends back.
    `too_large` is set where the text is refused for its size. Without `classrooms` the form does not ask for any.
    """

    title = forms.CharField(label=_("Title"), max_length=200, required=False, validators=[no_control_characters],
                            help_text=_("Leave empty to take it from the text."))
    author = forms.CharField(label=_("Author"), max_length=200, required=False, validators=[no_control_characters])
    level = forms.CharField(label=_("Reading level"), max_length=60, required=False,
                            validators=[no_control_characters], widget=forms.TextInput(
                                attrs={"placeholder": _("ages 9 to 11")}))
    body = forms.CharField(label=_("Paste the text"), required=False, strip=False, widget=forms.Textarea(
        attrs={"rows": 14, "spellcheck": "false"}))
    file = forms.FileField(label=_("or choose a file"), required=False, widget=forms.ClearableFileInput(
        attrs={"accept": ".txt,.md,.markdown,text/plain,text/markdown"}),
        help_text=_("Plain text (.txt) up to 5 MB, or Markdown (.md) up to 1 MB. It takes the place of what is above."))
    format = forms.ChoiceField(
        label=_("How it is written"), required=False, initial="plain", choices=Text._meta.get_field("format").choices,
        widget=forms.RadioSelect, help_text=_("Markdown keeps headings, lists, quotations and emphasis."))
    classrooms = ClassroomsField()
    revision = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    too_large = False

    def __init__(self, *args, classrooms=None, **kwargs):
        super().__init__(*args, **kwargs)
        if classrooms is None:
            del self.fields["classrooms"]
        else:
            self.fields["classrooms"].queryset = classrooms

    def clean(self):
        cleaned = super().clean()
        if self.errors:
            return cleaned
        file = cleaned.get("file")
        if file and file.size > settings.LIMITS.upload_bytes:
            self._refuse_size(_("That file is larger than 5 MB."))
        if file and file.name.lower().endswith(MARKDOWN_FILES):
            cleaned["format"] = "markdown"
        cleaned["format"] = cleaned["format"] or "plain"
        try:
            text = decode(file.read()) if file else cleaned["body"]
            cleaned["raw"] = text.replace("\r\n", "\n").replace("\r", "\n")
            self._keep(body=cleaned["raw"], format=cleaned["format"])
            self._check_size(cleaned["raw"], cleaned["format"])
            cleaned["imported"] = import_text(cleaned["raw"], format=cleaned["format"])
        except UnreadableText as error:
            raise forms.ValidationError(UNREADABLE[error.code]) from None
        if not (cleaned["title"] or cleaned["imported"].title):
            self.add_error("title", _("Give the text a title."))
        return cleaned

    def kept(self):
        """Return the fields that the preview sends back, as they are now."""
        return [self[name] for name in self.fields if name != "file"]

    def _keep(self, **values):
        self.data = self.data.copy()
        for name, value in values.items():
            self.data[name] = value

    def _check_size(self, raw: str, format: str):
        # As it comes back from the page: a browser ends the lines of a field with two characters.
        size = len(raw.encode()) + raw.count("\n")
        if size > settings.LIMITS.upload_bytes:
            self._refuse_size(_("That text is longer than 5 MB."))
        if format == "markdown" and size > settings.LIMITS.markdown_bytes:
            self._refuse_size(_("That is more than 1 MB of Markdown. Add it as plain text, or in parts."))

    def _refuse_size(self, sentence):
        self.too_large = True
        raise forms.ValidationError(sentence)


class ShelvesForm(forms.Form):
    """Which of the teacher's classes read a text."""

    classrooms = ClassroomsField()

    def __init__(self, *args, classrooms, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["classrooms"].queryset = classrooms
