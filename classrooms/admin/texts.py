"""Texts: their titles and levels, whose they are, in which classes. Their words come in through the import alone."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Prefetch
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from classrooms.admin.base import OwnRelatedFilter, OwnRows, count_of
from classrooms.models import Classroom, Text
from classrooms.services.texts import TextInUse, delete_text, texts_for_user


@admin.register(Text)
class TextAdmin(OwnRows):
    """A teacher looks at the texts they own and those of their classes, and changes what they own."""

    list_display = ["title", "author", "level", "format", "word_count", "owner", "class_names", "readers", "created_at"]
    list_filter = ["format", ("classrooms", OwnRelatedFilter)]
    list_select_related = ["owner"]
    search_fields = ["title", "author", "level"]
    date_hierarchy = "created_at"
    autocomplete_fields = ["owner"]
    fields = ["title", "author", "level", "owner", "format", "word_count", "revision", "class_names", "readers",
              "created_at"]
    readonly_fields = ["format", "word_count", "revision", "class_names", "readers", "created_at"]

    def has_view_permission(self, request, obj=None):
        return True  # of the rows they get to see

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser or obj is None or obj.owner_id == request.user.pk

    def has_delete_permission(self, request, obj=None):
        """What somebody has read stays: their places and questions hang on it."""
        return request.user.is_superuser and (obj is None or not obj.reading_sessions.exists())

    def get_actions(self, request):
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # one at a time, looked at first
        return actions

    def get_readonly_fields(self, request, obj=None):
        return self.readonly_fields if request.user.is_superuser else [*self.readonly_fields, "owner"]

    def get_queryset(self, request):
        seen = self.admin_site.get_model_admin(Classroom).get_queryset(request).order_by("name")
        return super().get_queryset(request).select_related("owner").annotate(
            taught=Exists(texts_for_user(request.user).filter(pk=OuterRef("pk"))),
            reader_count=count_of(Text, "reading_sessions", enrollment__classroom__in=seen.order_by().values("pk")),
        ).prefetch_related(Prefetch("classrooms", seen, to_attr="seen_classrooms"))

    def own_rows(self, rows, user):
        return rows.filter(pk__in=texts_for_user(user).values("pk"))

    def delete_model(self, request, obj):
        try:
            delete_text(obj)
        except TextInUse:  # somebody began it in this moment
            raise PermissionDenied from None

    def view_on_site(self, obj):
        return reverse("text", args=[obj.pk]) if obj.taught else None

    @admin.display(description=_("classes"))
    def class_names(self, obj):
        return format_html_join(", ", "{}", ((classroom,) for classroom in obj.seen_classrooms))

    @admin.display(description=_("readers"), ordering="reader_count")
    def readers(self, obj):
        return obj.reader_count
