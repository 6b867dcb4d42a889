"""Pages on which a text comes in or is edited: the form, the preview, the saving.

Nothing is kept between these steps but what the page sends back, so going back from the preview loses nothing and a
preview that is never saved leaves nothing behind.
"""

from collections.abc import Callable

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from classrooms.decorators import teacher_required
from classrooms.forms.texts import TextForm
from classrooms.models import Text
from classrooms.pages import blocks_of
from classrooms.services.texts import TextChanged, TextChoices, compare, create_text, passages_of, revise_text
from classrooms.views.lookups import classroom_or_404, own_text_or_404, present_classrooms
from classrooms.views.texts import chapters_of


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def text_new(request, classroom_id):
    """A text for a class."""
    classroom = classroom_or_404(request, classroom_id)

    def save(form):
        _create(request, form, classrooms=[classroom])
        return redirect("room", classroom.pk)

    return _steps(request, TextForm, save=save, context={"classroom": classroom})


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def text_create(request):
    """A text for the teacher's shelf, and for any of their classes."""
    def form_of(*args, **kwargs):
        return TextForm(*args, classrooms=present_classrooms(request), **kwargs)

    def save(form):
        text = _create(request, form, classrooms=form.cleaned_data["classrooms"])
        return redirect("text", text.pk)

    return _steps(request, form_of, save=save, context={})


@require_http_methods(["GET", "HEAD", "POST"])
@teacher_required
def text_edit(request, text_id):
    """The teacher's own text, edited; those who read it keep their places."""
    text = own_text_or_404(request, text_id)
    stored = {"title": text.title, "author": text.author, "level": text.level, "format": text.format,
              "revision": text.revision, "body": text.source.body}

    def form_of(*args, initial=None, **kwargs):
        return TextForm(*args, initial=stored if initial is None else initial, **kwargs)

    def save(form):
        try:
            revised = revise_text(text, _choices(form), revision=form.cleaned_data["revision"] or text.revision)
        except TextChanged:
            form.add_error(None, _("This text was saved elsewhere while you were editing it. "
                                   "If you save again, yours takes its place."))
            form.data["revision"] = text.revision
            return _form_page(request, form, {"text": text}, status=409)
        messages.success(request, _("“%(title)s” is changed.") % {"title": revised.title})
        return redirect("text", revised.pk)

    return _steps(request, form_of, save=save, context={"text": text, "readers": text.reading_sessions.count()})


def _steps(request, form_of: Callable[..., TextForm], *, save: Callable, context: dict):
    """Answer one step: the form, its preview ("preview"), the way back ("edit") or the saving ("save")."""
    if request.method != "POST":
        return _form_page(request, form_of(), context)
    if request.POST.get("step") == "edit":
        values = request.POST.dict() | {"classrooms": request.POST.getlist("classrooms")}
        return _form_page(request, form_of(initial=values), context)
    form = form_of(request.POST, request.FILES)
    if not form.is_valid():
        return _form_page(request, form, context, status=413 if form.too_large else 400)
    if request.POST.get("step") == "save":
        return save(form)
    return _preview(request, form, context)


def _form_page(request, form: TextForm, context: dict, *, status: int = 200):
    return render(request, "classrooms/text_form.html", context | {"form": form}, status=status)


def _preview(request, form: TextForm, context: dict):
    """Show what would be saved: the first page as students will see it, and what the rest comes to."""
    imported, choices = form.cleaned_data["imported"], _choices(form)
    passages = passages_of(imported)
    before: Text | None = context.get("text")
    shown = Text(title=(choices.title or imported.title)[:200], author=(choices.author or imported.author)[:200],
                 level=choices.level, format=choices.format, word_count=imported.word_count)
    return render(request, "classrooms/text_preview.html", context | {
        "form": form, "before": before, "text": shown, "page": 1, "page_count": imported.page_count,
        "blocks": blocks_of(passage for passage in passages if passage.page == 1), "chapters": chapters_of(passages),
        "kept_percent": before and int(100 * compare(before.passages.all(), imported).kept)})


def _choices(form: TextForm) -> TextChoices:
    chosen = form.cleaned_data
    return TextChoices(raw=chosen["raw"], format=chosen["format"], title=chosen["title"], author=chosen["author"],
                       level=chosen["level"])


def _create(request, form: TextForm, *, classrooms) -> Text:
    choices = _choices(form)
    text = create_text(
        owner=request.user, raw=choices.raw, format=choices.format, title=choices.title, author=choices.author,
        level=choices.level, classrooms=classrooms)
    messages.success(request, ngettext("“%(title)s” is ready: %(pages)d page.", "“%(title)s” is ready: %(pages)d pages.",
                                       text.page_count) % {"title": text.title, "pages": text.page_count})
    return text
