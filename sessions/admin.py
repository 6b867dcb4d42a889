"""What students read and asked, what was said to them, and the server's own notes. History is looked at, not edited.

The first four lists hold what a teacher may see of their own classes; receipts and evictions are for administrators.
"""

from typing import ClassVar

from django.contrib import admin
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from classrooms.admin.base import OwnRelatedFilter, OwnRows, count_of
from classrooms.panels import failure_label, provider_label
from sessions.models import Broadcast, ConnectionLog, Eviction, Interruption, ReadingSession, Receipt
from sessions.sockets import COME_BACK, NOT_LOGGED_IN, REMOVED

SHOWN = 80  # characters of what was said or asked, in a list
CODES = {NOT_LOGGED_IN: _("log-in over"), REMOVED: _("no longer in the class"), COME_BACK: _("to come back at once")}


class History(OwnRows):
    """Rows that nobody writes here. Their tables are long, so no list counts the whole of one."""

    show_full_result_count = False
    actions = None

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)


def student_page(enrollment, *, taught: bool) -> str | None:
    """Return the live page of a student, for those who can open it."""
    open_here = taught and enrollment.removed_at is None
    return reverse("student", args=[enrollment.classroom_id, enrollment.pk]) if open_here else None


@admin.register(ReadingSession)
class ReadingSessionAdmin(History):
    classroom_path = "enrollment__classroom"
    list_display = ["enrollment", "classroom", "text", "place", "status", "questions", "last_seen", "live_page"]
    list_filter = ["status", ("enrollment__classroom", OwnRelatedFilter), ("text", OwnRelatedFilter)]
    list_select_related = ["enrollment__classroom", "text"]
    search_fields = ["enrollment__nickname", "text__title"]
    date_hierarchy = "created_at"
    ordering = ["-changed_at"]
    fields = ["enrollment", "classroom", "text", "place", "status", "questions", "active_seconds", "created_at",
              "connected_at", "last_seen", "last_activity"]

    def get_queryset(self, request):
        return (super().get_queryset(request).select_related(*self.list_select_related)
                .annotate(question_count=count_of(ReadingSession, "interruptions")))

    def change_heading(self, obj):
        return f"{obj.enrollment} · {obj.text}"

    def view_on_site(self, obj):
        return student_page(obj.enrollment, taught=obj.taught)

    @admin.display(description=_("class"), ordering="enrollment__classroom__name")
    def classroom(self, obj):
        return obj.enrollment.classroom

    @admin.display(description=_("place"), ordering="furthest_word_index")
    def place(self, obj):
        return _("page %(page)d of %(pages)d, %(percent)d %% read") % {
            "page": obj.page, "pages": obj.text.page_count, "percent": obj.percent}

    @admin.display(description=_("questions"), ordering="question_count")
    def questions(self, obj):
        return obj.question_count

    @admin.display(description=_("live page"))
    def live_page(self, obj):
        page = self.view_on_site(obj)
        return format_html('<a href="{}">{}</a>', page, _("Student page")) if page else ""


class OneOf(admin.SimpleListFilter):
    """Filters by what a column may hold, in the words people read. Those that most rows leave empty had a nameless link."""

    words: dict

    def lookups(self, request, model_admin):
        return self.words.items()

    def queryset(self, request, queryset):
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value in self.words else queryset


class FailureFilter(OneOf):
    title, parameter_name = _("failure"), "error_code"
    words: ClassVar = {code: lazy(failure_label, str)(code)
                       for code in ("llm_unavailable", "timeout", "busy", "budget_exceeded")}


class ProviderFilter(OneOf):
    title, parameter_name = _("answered by"), "provider"
    words: ClassVar = {name: lazy(provider_label, str)(name) for name in ("openai", "passage_helper", "help_card")}


class FlagFilter(OneOf):
    title, parameter_name = _("flag"), "flag"
    words: ClassVar = {"self_harm": _("self-harm")}


@admin.register(Interruption)
class InterruptionAdmin(History):
    classroom_path = "classroom"
    list_display = ["question", "state", "outcome", "flag", "enrollment", "classroom", "text", "created_at"]
    list_filter = ["state", FailureFilter, ProviderFilter, FlagFilter,
                   ("classroom", OwnRelatedFilter), ("text", OwnRelatedFilter)]
    list_select_related = ["enrollment", "classroom", "text"]
    search_fields = ["question_text", "enrollment__nickname"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fieldsets = [
        (_("Question"), {"fields": ["question_text", "enrollment", "classroom", "text", "paragraph", "word_index",
                                    "context", "flag", "created_at"]}),
        (_("Outcome"), {"fields": ["state", "outcome", "response_text", "response_type", "citations", "truncated",
                                   "fallback", "understood", "helpful", "finished_at"]}),
        (_("Tutor"), {"fields": ["provider", "model", "attempt", "claimed_at", "lease_until", "deadline", "not_before",
                                 "prompt_tokens", "completion_tokens"]}),
    ]

    def get_readonly_fields(self, request, obj=None):
        return [name for _title, part in self.fieldsets for name in part["fields"]]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)

    def change_heading(self, obj):
        return self.question(obj)

    def view_on_site(self, obj):
        return student_page(obj.enrollment, taught=obj.taught)

    @admin.display(description=_("question"), ordering="question_text")
    def question(self, obj):
        return shortened(obj.question_text)

    @admin.display(description=_("outcome"))
    def outcome(self, obj):
        return failure_label(obj.error_code) or provider_label(obj.provider)


@admin.register(Broadcast)
class BroadcastAdmin(History):
    classroom_path = "classroom"
    list_display = ["kind", "said", "classroom", "teacher", "target", "created_at"]
    list_filter = ["kind", ("classroom", OwnRelatedFilter)]
    list_select_related = ["classroom", "teacher", "target"]
    search_fields = ["text"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fields = ["kind", "text", "classroom", "teacher", "target", "word_index", "version", "created_at"]

    def change_heading(self, obj):
        return f"{obj.kind} · {obj.classroom}"

    def view_on_site(self, obj):
        return reverse("room", args=[obj.classroom_id]) if obj.taught else None

    @admin.display(description=_("said"), ordering="text")
    def said(self, obj):
        return shortened(obj.text)


@admin.register(ConnectionLog)
class ConnectionLogAdmin(History):
    classroom_path = "reading_session__enrollment__classroom"
    list_display = ["opened_at", "enrollment", "classroom", "text", "restored"]
    list_filter = ["restored", ("reading_session__enrollment__classroom", OwnRelatedFilter)]
    list_select_related = ["reading_session__enrollment__classroom", "reading_session__text"]
    search_fields = ["reading_session__enrollment__nickname"]
    date_hierarchy = "opened_at"
    ordering = ["-opened_at", "-pk"]
    fields = ["opened_at", "enrollment", "classroom", "text", "restored"]

    def change_heading(self, obj):
        return str(self.enrollment(obj))

    @admin.display(description=_("student"), ordering="reading_session__enrollment__nickname")
    def enrollment(self, obj):
        return obj.reading_session.enrollment

    @admin.display(description=_("class"), ordering="reading_session__enrollment__classroom__name")
    def classroom(self, obj):
        return obj.reading_session.enrollment.classroom

    @admin.display(description=_("text"), ordering="reading_session__text__title")
    def text(self, obj):
        return obj.reading_session.text


@admin.register(Receipt)
class ReceiptAdmin(History):
    """What was answered to durable messages: the place to look when a page says that its question was refused."""

    list_display = ["type", "of", "message_id", "created_at"]
    list_filter = ["type"]
    list_select_related = ["reading_session__enrollment__classroom", "teacher"]
    search_fields = ["message_id", "reading_session__enrollment__nickname", "teacher__username"]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-pk"]
    fields = ["type", "of", "message_id", "reply", "created_at"]

    def change_heading(self, obj):
        return f"{obj.type} · {self.of(obj)}"

    @admin.display(description=_("of"))
    def of(self, obj):
        if obj.teacher_id:
            return obj.teacher
        enrollment = obj.reading_session.enrollment
        return f"{enrollment} · {enrollment.classroom}"


@admin.register(Eviction)
class EvictionAdmin(History):
    """Which sockets had to close, and why."""

    list_display = ["created_at", "who", "classroom", "reason"]
    list_filter = ["code", ("classroom", OwnRelatedFilter)]
    list_select_related = ["user", "classroom"]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-pk"]
    fields = ["created_at", "who", "classroom", "reason", "one_log_in"]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("user__enrollments__classroom")

    def change_heading(self, obj):
        return str(self.who(obj))

    @admin.display(description=_("who"))
    def who(self, obj):
        if obj.user.is_teacher:
            return obj.user.username
        return ", ".join(f"{place} · {place.classroom}" for place in obj.user.enrollments.all()) or str(obj.user)

    @admin.display(description=_("reason"), ordering="code")
    def reason(self, obj):
        return f"{obj.code} · {CODES[obj.code]}" if obj.code in CODES else obj.code

    @admin.display(description=_("one log-in only"), boolean=True)
    def one_log_in(self, obj):
        return bool(obj.session_key_hash)


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()}…"
