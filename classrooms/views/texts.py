"""A teacher's texts: the list, one of them as students read it, who reads it, its end."""

from collections.abc import Iterable

from django.contrib import messages
from django.db.models import Count, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from classrooms.decorators import teacher_required
from classrooms.forms.texts import ShelvesForm
from classrooms.models import Passage, Text
from classrooms.pages import blocks_of, chapter_title
from classrooms.services.texts import TextInUse, delete_text, set_classrooms, texts_for_user
from classrooms.views.lookups import own_text_or_404, present_classrooms, text_or_404


def _readers(user) -> Count:
    """Count who has begun a text: in every class for its owner, who may change it, for colleagues in those they teach."""
    return Count("reading_sessions", filter=Q(owner=user) | Q(
        reading_sessions__enrollment__classroom__in=user.classrooms.order_by().values("pk")))


@require_safe
@teacher_required
def texts(request):
    """The teacher's own texts, and those that colleagues brought into classes they share."""
    begun = (Text.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
             .annotate(number=_readers(request.user)).values("number"))
    rows = (texts_for_user(request.user).select_related("owner").annotate(readers=Coalesce(Subquery(begun), 0))
            .prefetch_related(Prefetch("classrooms", present_classrooms(request), to_attr="shelves")))
    return render(request, "classrooms/texts.html", {
        "own": [row for row in rows if row.owner_id == request.user.pk],
        "shared": [row for row in rows if row.owner_id != request.user.pk]})


@require_safe
@teacher_required
def text(request, text_id):
    """One text, a page of it at a time, and the classes that read it."""
    shown = text_or_404(request, text_id)
    page = request.GET.get("page", "1")
    if not (page.isascii() and page.isdigit() and 1 <= int(page) <= shown.page_count):
        raise Http404
    page = int(page)
    classrooms = _shelves(request, shown)
    return render(request, "classrooms/text.html", {
        "text": shown, "is_own": shown.owner_id == request.user.pk,
        "readers": Text.objects.filter(pk=shown.pk).aggregate(number=_readers(request.user))["number"],
        "blocks": blocks_of(shown.passages.filter(page=page)), "page": page, "page_count": shown.page_count,
        "previous_page": page - 1 or None, "next_page": page + 1 if page < shown.page_count else None,
        "chapter_title": chapter_title(shown, page), "chapters": chapters_of(shown.passages.all()),
        "shelves": ShelvesForm(classrooms=classrooms, initial={"classrooms": classrooms.filter(texts=shown)})})


@require_POST
@teacher_required
def text_classes(request, text_id):
    """Give the text to classes, or take it off their shelves."""
    given = text_or_404(request, text_id)
    form = ShelvesForm(request.POST, classrooms=_shelves(request, given))
    if form.is_valid():
        set_classrooms(given, user=request.user, classrooms=form.cleaned_data["classrooms"])
        messages.success(request, _("The shelves are as you set them."))
    else:
        messages.error(request, _("One of these classes is no longer yours."))
    if not texts_for_user(request.user).filter(pk=given.pk).exists():
        return redirect("texts")  # a colleague's, and no class of mine reads it any more
    return redirect("text", given.pk)


@require_POST
@teacher_required
def text_delete(request, text_id):
    """Delete a text that nobody has begun."""
    unwanted = own_text_or_404(request, text_id)
    try:
        delete_text(unwanted)
    except TextInUse:
        messages.error(request, _("Students have begun this text. Take it off the shelves instead: what they did stays."))
        return redirect("text", unwanted.pk)
    messages.success(request, _("“%(title)s” is deleted.") % {"title": unwanted.title})
    return redirect("texts")


def chapters_of(passages: Iterable[Passage]) -> list[dict]:
    """Return the chapters as their headings name them, {"title", "page"}; none where a text has no headings."""
    found: dict[int, dict] = {}
    for row in passages:
        if row.kind == "heading" and row.level == 1 and row.chapter:
            found.setdefault(row.chapter, {"title": row.body, "page": row.page})
    return list(found.values())


def _shelves(request, text: Text):
    """Return the present classes that may be ticked: a colleague's text can only be taken off."""
    classrooms = present_classrooms(request)
    return classrooms if text.owner_id == request.user.pk else classrooms.filter(texts=text)
