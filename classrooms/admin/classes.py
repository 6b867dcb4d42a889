"""Classes and the students in them. What is done here goes through the same services as on the teachers' pages."""

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.contrib.admin.utils import display_for_value
from django.db.models import F, Max, OuterRef, Subquery
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from classrooms.admin.base import OwnRelatedFilter, OwnRows, count_of, list_link, log_without_name
from classrooms.models import Classroom, Enrollment, User
from classrooms.services import attempts
from classrooms.services.classes import archive_classroom, change_classroom, rotate_code, unarchive_classroom
from classrooms.services.doors import normalize_code
from classrooms.services.roster import remove_student


class YesNoFilter(admin.SimpleListFilter):
    """Filters by whether a moment is set; `field`, `parameter_name`, `title` and the two words are the subclass's."""

    field = ""
    words: tuple = ()

    def lookups(self, request, model_admin):
        return [("no", self.words[0]), ("yes", self.words[1])]

    def queryset(self, request, queryset):
        if self.value() not in ("no", "yes"):
            return queryset
        return queryset.filter(**{f"{self.field}__isnull": self.value() == "no"})


class ArchivedFilter(YesNoFilter):
    field, parameter_name, title, words = "archived_at", "archived", _("archive"), (_("in use"), _("archived"))


class RemovedFilter(YesNoFilter):
    field, parameter_name, title, words = "removed_at", "removed", _("place"), (_("in the class"), _("removed"))


@admin.register(Classroom)
class ClassroomAdmin(OwnRows):
    """A class is archived, never deleted: what was read and asked in it hangs on it."""

    classroom_path = "pk"
    list_display = ["name", "live_page", "code_shown", "teacher_names", "students", "text_count", "waiting", "door", "ai",
                    "archived_at"]
    list_filter = ["is_open", "ai_enabled", ArchivedFilter]
    search_fields = ["name", "code"]
    date_hierarchy = "created_at"
    autocomplete_fields = ["teachers", "texts"]
    readonly_fields = ["code_shown", "paused", "archived_at", "created_at", "history"]
    fieldsets = [
        (None, {"fields": ["name", "teachers", "texts"]}),
        (_("Door"), {"fields": ["code_shown", "is_open", "archived_at"]}),
        (_("Tutor"), {"fields": ["ai_enabled", "daily_questions"]}),
        (_("What happens in it"), {"fields": ["paused", "created_at", "history"]}),
    ]
    actions = ["rotate_codes", "open_doors", "close_doors", "archive", "unarchive"]

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return True  # of the rows they get to see

    def get_readonly_fields(self, request, obj=None):
        # Colleagues are added on the class's own page, by a name that one must know; a text is given by its owner.
        return self.readonly_fields if request.user.is_superuser else [*self.readonly_fields, "teachers", "texts"]

    def get_fieldsets(self, request, obj=None):
        return self.fieldsets if obj else self.fieldsets[:1] + [
            (_("Tutor"), {"fields": ["ai_enabled", "daily_questions"]})]

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name == "teachers":
            kwargs["queryset"] = User.objects.filter(role=User.Role.TEACHER)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(
            student_count=count_of(Classroom, "enrollments", removed_at=None), text_number=count_of(Classroom, "texts"),
            waiting_questions=count_of(Classroom, "interruptions", state="queued"),
        ).prefetch_related("teachers")

    def save_model(self, request, obj, form, change):
        if not change:
            return super().save_model(request, obj, form, change)
        changed = {name: form.cleaned_data[name] for name in form.changed_data if name not in ("teachers", "texts")}
        # Not the form's own object: the service compares with what is stored, and counts the change for open pages.
        change_classroom(Classroom.objects.get(pk=obj.pk), **changed)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        if change and "texts" in form.changed_data:  # students' shelves have changed
            Classroom.objects.filter(pk=form.instance.pk).update(version=F("version") + 1)

    def get_search_results(self, request, queryset, search_term):
        """Find a code as people read it too, KM4T-9XPA."""
        by_code = queryset.filter(code=normalize_code(search_term))
        return (by_code, False) if by_code.exists() else super().get_search_results(request, queryset, search_term)

    def view_on_site(self, obj):
        return reverse("room", args=[obj.pk]) if obj.taught else None

    # ---- Columns

    @admin.display(description=_("code"), ordering="code")
    def code_shown(self, obj):
        return obj.code_display

    @admin.display(description=_("teachers"))
    def teacher_names(self, obj):
        return ", ".join(teacher.username for teacher in obj.teachers.all())

    @admin.display(description=_("students"), ordering="student_count")
    def students(self, obj):
        return list_link(obj.student_count, "classrooms_enrollment", classroom__id__exact=obj.pk, removed="no")

    @admin.display(description=_("texts"), ordering="text_number")
    def text_count(self, obj):
        return list_link(obj.text_number, "classrooms_text", classrooms__id__exact=obj.pk)

    @admin.display(description=_("waiting"), ordering="waiting_questions")
    def waiting(self, obj):
        return list_link(obj.waiting_questions, "reading_sessions_interruption", classroom__id__exact=obj.pk,
                         state__exact="queued")

    @admin.display(description=_("door"), ordering="is_open", boolean=True)
    def door(self, obj):
        return obj.is_open

    @admin.display(description=_("AI"), ordering="ai_enabled", boolean=True)
    def ai(self, obj):
        return obj.ai_enabled

    @admin.display(description=_("live"))
    def live_page(self, obj):
        return format_html('<a href="{}">{}</a>', self.view_on_site(obj), _("Room")) if obj.taught else ""

    @admin.display(description=_("lists"))
    def history(self, obj):
        return format_html("{} · {} · {}", list_link(_("Students"), "classrooms_enrollment", classroom__id__exact=obj.pk),
                           list_link(_("Questions"), "reading_sessions_interruption", classroom__id__exact=obj.pk),
                           list_link(_("Reading"), "reading_sessions_readingsession",
                                     enrollment__classroom__id__exact=obj.pk))

    # ---- What can be done

    @admin.action(description=_("Give new codes: the old ones open nothing any more"))
    def rotate_codes(self, request, queryset):
        for classroom in queryset:
            rotate_code(classroom)
            self._noted(request, classroom, _("New code."))
            messages.success(request, _("%(class)s: the new code is %(code)s.") % {
                "class": classroom.name, "code": classroom.code_display})

    @admin.action(description=_("Open the doors: students may join"))
    def open_doors(self, request, queryset):
        self._set_doors(request, queryset, is_open=True)

    @admin.action(description=_("Close the doors: nobody joins or comes back in"))
    def close_doors(self, request, queryset):
        self._set_doors(request, queryset, is_open=False)

    def _set_doors(self, request, queryset, *, is_open: bool):
        for classroom in queryset:
            change_classroom(classroom, is_open=is_open)
            self._noted(request, classroom, _("Door opened.") if is_open else _("Door closed."))
        self._say(request, queryset)

    @admin.action(description=_("Archive: students' pages close, teachers go on reading all of it"))
    def archive(self, request, queryset):
        for classroom in queryset.filter(archived_at=None):
            archive_classroom(classroom)
            self._noted(request, classroom, _("Archived."))
        self._say(request, queryset)

    @admin.action(description=_("Bring back from the archive"))
    def unarchive(self, request, queryset):
        for classroom in queryset.exclude(archived_at=None):
            unarchive_classroom(classroom)
            self._noted(request, classroom, _("Brought back from the archive."))
        self._say(request, queryset)

    def _noted(self, request, classroom: Classroom, what: str):
        self.log_change(request, classroom, str(what))

    def _say(self, request, queryset):
        messages.success(request, ngettext("Done for %d class.", "Done for %d classes.", queryset.count())
                         % queryset.count())


@admin.register(Enrollment)
class EnrollmentAdmin(OwnRows):
    """Students as their classes know them. They come by code, and go by being removed; their history stays."""

    classroom_path = "classroom"
    list_display = ["nickname", "classroom", "created_at", "removed_at", "questions", "last_seen", "live_page"]
    list_filter = [("classroom", OwnRelatedFilter), RemovedFilter]
    list_select_related = ["classroom"]
    search_fields = ["nickname", "classroom__name"]
    date_hierarchy = "created_at"
    ordering = ["nickname", "pk"]
    actions = ["remove", "forget_guesses"]

    def get_fields(self, request, obj=None):
        shown = ["nickname", "classroom", "created_at", "removed_at", "last_seen", "history"]
        return [*shown, "account"] if request.user.is_superuser else shown

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

    def has_act_permission(self, request) -> bool:
        return True  # on the rows they get to see

    def get_queryset(self, request):
        latest = (Enrollment.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
                  .annotate(at=Max("reading_sessions__last_seen")).values("at"))
        return super().get_queryset(request).select_related("classroom").annotate(
            question_count=count_of(Enrollment, "interruptions"), latest=Subquery(latest))

    def change_heading(self, obj):
        return f"{obj.nickname} · {obj.classroom}"

    def view_on_site(self, obj):
        return reverse("student", args=[obj.classroom_id, obj.pk]) if obj.taught and not obj.removed_at else None

    @admin.display(description=_("questions"), ordering="question_count")
    def questions(self, obj):
        return list_link(obj.question_count, "reading_sessions_interruption", q=obj.nickname,
                         classroom__id__exact=obj.classroom_id) if obj.question_count else 0

    @admin.display(description=_("last seen"), ordering="latest")
    def last_seen(self, obj):
        return display_for_value(obj.latest, "-")

    @admin.display(description=_("live page"))
    def live_page(self, obj):
        page = self.view_on_site(obj)
        return format_html('<a href="{}">{}</a>', page, _("Student page")) if page else ""

    @admin.display(description=_("lists"))
    def history(self, obj):
        return format_html("{} · {}", self.questions(obj) or _("no questions"), list_link(
            _("Reading"), "reading_sessions_readingsession", q=obj.nickname,
            enrollment__classroom__id__exact=obj.classroom_id))

    @admin.display(description=_("account"))
    def account(self, obj):
        return format_html('<a href="{}">{}</a>', reverse("admin:classrooms_user_change", args=[obj.user_id]),
                           _("Account"))

    @admin.action(description=_("Remove from the class: open pages close, history stays"), permissions=["act"])
    def remove(self, request, queryset):
        present = list(queryset.filter(removed_at=None).select_related("user"))
        for enrollment in present:
            remove_student(enrollment)
            log_without_name(request, enrollment, action_flag=CHANGE, message=str(_("Removed from the class.")))
        messages.success(request, ngettext(
            "%d student is no longer in the class.", "%d students are no longer in their classes.",
            len(present)) % len(present))

    @admin.action(description=_("Forget wrong PINs: let them try again at once"), permissions=["act"])
    def forget_guesses(self, request, queryset):
        for enrollment in queryset:
            attempts.forget_attempts("pin", str(enrollment.pk))
        messages.success(request, _("They may try again."))
