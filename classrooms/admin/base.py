"""What every page of the administration keeps to; the admins of both apps build on `OwnRows`.

An administrator (a superuser) sees everything. A teacher with the staff flag sees the rows of the classes they
teach, by whatever way they ask: lists, filters, search, auto-completion, choices in forms, addresses typed by hand.
Rights are written here, in code. Django's own permissions are asked for nothing, so none can be handed on.
"""

import contextlib

from django.contrib import admin
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from classrooms.database import transaction
from classrooms.models import Classroom

# What a filter or the date hierarchy may ask of a field. Nothing else may be asked in an address.
OF_A_FIELD = ("", "__exact", "__isnull", "__gte", "__lt", "__lte", "__year", "__month", "__day")
OF_A_RELATION = ("__id__exact", "__isnull")


class OwnRelatedFilter(RelatedFieldListFilter):
    """Filters by a related row, of those that the person may look at; another's is the same as none."""

    def field_choices(self, field, request, model_admin):
        related = model_admin.admin_site.get_model_admin(field.remote_field.model)
        own = related.get_queryset(request).order_by().values("pk")
        return field.get_choices(include_blank=False, limit_choices_to={"pk__in": own},
                                 ordering=self.field_admin_ordering(field, request, model_admin))

    def queryset(self, request, queryset):
        offered = {str(pk) for pk, _ in self.lookup_choices}
        if not offered.issuperset(self.lookup_val or []):
            raise IncorrectLookupParameters
        return super().queryset(request, queryset)


class OwnRows(admin.ModelAdmin):
    """Rows that can be looked at. Subclasses say what more can be done with them.

    `classroom_path` leads from a row to its class; rows without one are for administrators alone. Each row comes
    with `taught`: whether the person teaches the class, and so can open its live pages.
    """

    classroom_path = ""
    list_per_page = 50

    # ---- Rights

    def has_module_permission(self, request):
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None):
        return request.user.is_superuser or bool(self.classroom_path)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if self.classroom_path:
            taught = Classroom.teachers.through.objects.filter(
                classroom=OuterRef(self.classroom_path), user=request.user)
            rows = rows.annotate(taught=Exists(taught))
        return rows if request.user.is_superuser else self.own_rows(rows, request.user)

    def own_rows(self, rows: QuerySet, user) -> QuerySet:
        """Return those of a teacher's classes."""
        if not self.classroom_path:
            return rows.none()
        return rows.filter(**{f"{self.classroom_path}__in": user.classrooms.order_by().values("pk")})

    def lookup_allowed(self, lookup, value, request=None):
        """Let addresses ask what the page's own filters ask: anything more can be asked about others' rows too."""
        if self.date_hierarchy and lookup in [self.date_hierarchy + asked for asked in OF_A_FIELD]:
            return True
        for item in self.get_list_filter(request):
            if isinstance(item, str):
                allowed = [item + asked for asked in OF_A_FIELD]
            elif isinstance(item, tuple):
                allowed = [item[0] + asked for asked in OF_A_RELATION]
            else:
                allowed = [item.parameter_name]
            if lookup in allowed:
                return True
        return False

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """Keep in the page what it showed: one that was opened earlier sets nothing back that others changed since."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and not db_field.is_relation:
            field.show_hidden_initial = True
        return field

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        kwargs.setdefault("queryset", self._choices(db_field, request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        kwargs.setdefault("queryset", self._choices(db_field, request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _choices(self, db_field, request) -> QuerySet:
        return self.admin_site.get_model_admin(db_field.remote_field.model).get_queryset(request)

    # ---- Writing

    def add_view(self, request, *args, **kwargs):
        with _writing(request):
            return super().add_view(request, *args, **kwargs)

    def change_view(self, request, *args, **kwargs):
        with _writing(request):
            return super().change_view(request, *args, **kwargs)

    def delete_view(self, request, *args, **kwargs):
        with _writing(request):
            return super().delete_view(request, *args, **kwargs)

    def save_model(self, request, obj, form, change):
        """Save what was changed here and no other column: readers' counters move on while a form is open."""
        if not change:
            return obj.save()
        changed = [name for name in form.changed_data if self.opts.get_field(name).concrete
                   and not self.opts.get_field(name).many_to_many]
        if changed:
            obj.save(update_fields=changed)

    def log_change(self, request, obj, message):
        with transaction():
            return super().log_change(request, obj, message)

    # ---- What is shown

    def history_view(self, request, object_id, extra_context=None):
        if not self.has_view_permission(request):  # Django looks for the row first, and tells whether there is one
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def change_heading(self, obj: Model) -> str:
        """Return what the page of a row is headed with."""
        return str(obj)

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        if obj is not None:
            context["subtitle"] = self.change_heading(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


def _writing(request):
    """The project's own transaction around Django's: on SQLite its lock must be taken before the database's."""
    return transaction() if request.method == "POST" else contextlib.nullcontext()


def log_without_name(request, obj: Model, *, action_flag: int, message) -> LogEntry:
    """Note in the administration's history what was done to a pupil, without a name: the history outlives the pupil."""
    with transaction():
        return LogEntry.objects.create(
            user=request.user, content_type=ContentType.objects.get_for_model(obj), object_id=str(obj.pk),
            object_repr=f"{obj._meta.verbose_name} {obj.pk}"[:200], action_flag=action_flag, change_message=message)


def count_of(model: type[Model], related: str, **conditions) -> Coalesce:
    """Return the subquery that counts a row's `related` rows; joined, several counts would multiply one another."""
    rows = model.objects.filter(pk=OuterRef("pk"), **{f"{related}__{name}": value for name, value in conditions.items()})
    counted = rows.order_by().values("pk").annotate(number=Count(related, distinct=True)).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def list_link(label: object, model: str, **query) -> str:
    """Return a link to a list of the administration, filtered."""
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{model}_changelist"), urlencode(query), label)
