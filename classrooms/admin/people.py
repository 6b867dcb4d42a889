"""Accounts, for administrators alone: teachers are made, disabled and let in again here; students only disabled.

Nobody is deleted here: classes, texts and what was said hang on accounts.
"""

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserCreationForm
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from classrooms.admin.base import OwnRows, count_of
from classrooms.models import Enrollment, User
from classrooms.services import attempts
from classrooms.services.tokens import revoke_token


class NewTeacherForm(UserCreationForm):
    """A teacher with a first password, to be changed by its owner."""

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email"]


class NewPasswordForm(AdminPasswordChangeForm):
    """Another password, but never none: there is no other way in for a teacher."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True


@admin.register(User)
class PersonAdmin(OwnRows, UserAdmin):
    """A teacher's row goes by the user name, a student's by nickname and class: their user name is never shown."""

    add_form = NewTeacherForm
    change_password_form = NewPasswordForm
    list_display = ["person", "role", "rights", "classes_taught", "is_active", "last_login"]
    list_filter = ["role", "is_active", "is_staff", "is_superuser"]
    search_fields = ["username", "first_name", "last_name", "email", "enrollments__nickname"]
    date_hierarchy = "date_joined"
    ordering = ["role", "username"]
    filter_horizontal = []
    readonly_fields = ["role", "places", "classes", "last_login", "date_joined", "email_confirmed"]
    actions = ["disable", "enable", "forget_guesses", "revoke_tokens"]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": [*NewTeacherForm.Meta.fields, "password1", "password2"]})]

    # ---- Rights

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def get_readonly_fields(self, request, obj=None):
        own = ["is_active", "is_staff", "is_superuser"] if obj == request.user else []  # nobody locks themselves out
        return [*self.readonly_fields, *own]

    def user_change_password(self, request, id, form_url=""):
        """Set a teacher's password. A student opens the door with a PIN, which their teacher sets."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        person = self.get_object(request, unquote(id))
        if person is None or person.is_student:
            raise Http404
        return super().user_change_password(request, id, form_url)

    def get_search_results(self, request, queryset, search_term):
        found = super().get_search_results(request, queryset, search_term)
        # Fields of the administration name teachers only: who teaches a class, who owns a text.
        if request.resolver_match.url_name == "autocomplete":
            return found[0].filter(role=User.Role.TEACHER, is_active=True), found[1]
        return found

    # ---- What is shown

    def get_queryset(self, request):
        enrollments = Enrollment.objects.select_related("classroom").order_by("pk")
        return (super().get_queryset(request).annotate(class_count=count_of(User, "classrooms"))
                .prefetch_related(Prefetch("enrollments", enrollments)))

    def get_fieldsets(self, request, obj=None):
        if obj is None:
            return self.add_fieldsets
        dates = (_("Dates"), {"fields": ["last_login", "date_joined"]})
        if obj.is_student:
            return [(None, {"fields": ["role", "places", "is_active"]}), dates]
        return [
            (None, {"fields": ["username", "password"]}),
            (_("Person"), {"fields": ["first_name", "last_name", "email", "email_confirmed"]}),
            (_("Rights"), {
                "fields": ["role", "is_active", "is_staff", "is_superuser"], "description": _(
                    "Staff see the administration of the classes they teach; superusers administer everything.")}),
            (_("Classes"), {"fields": ["classes"]}),
            dates,
        ]

    def change_heading(self, obj):
        return self.person(obj)

    @admin.display(description=_("person"), ordering="username")
    def person(self, obj):
        if obj.is_student:
            return ", ".join(f"{place.nickname} · {place.classroom}" for place in obj.enrollments.all()) or str(obj)
        return obj.username

    @admin.display(description=_("rights"), ordering="is_superuser")
    def rights(self, obj):
        return _("superuser") if obj.is_superuser else _("staff") if obj.is_staff else ""

    @admin.display(description=_("classes"), ordering="class_count")
    def classes_taught(self, obj):
        return obj.class_count if obj.is_teacher else ""

    @admin.display(description=_("enrollment"))
    def places(self, obj):
        return format_html_join(", ", '<a href="{}">{} · {}</a>', (
            (reverse("admin:classrooms_enrollment_change", args=[place.pk]), place.nickname, place.classroom)
            for place in obj.enrollments.all()))

    @admin.display(description=_("teaches"))
    def classes(self, obj):
        return format_html_join(", ", '<a href="{}">{}</a>', (
            (reverse("admin:classrooms_classroom_change", args=[classroom.pk]), classroom)
            for classroom in obj.classrooms.all()))

    # ---- What can be done

    def save_model(self, request, obj, form, change):
        """A new address is nobody's until its owner opens a link sent there."""
        if "email" in form.changed_data and obj.email_confirmed:
            obj.email_confirmed = False
            obj.save(update_fields=["email_confirmed"])
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Disable the accounts: log-ins end and open pages close"))
    def disable(self, request, queryset):
        done = self._switch(request, queryset.exclude(pk=request.user.pk).filter(is_active=True), is_active=False)
        if queryset.filter(pk=request.user.pk).exists():
            messages.warning(request, _("Your own account stays as it is."))
        messages.success(request, ngettext("%d account is disabled.", "%d accounts are disabled.", done) % done)

    @admin.action(description=_("Enable the accounts"))
    def enable(self, request, queryset):
        done = self._switch(request, queryset.filter(is_active=False), is_active=True)
        messages.success(request, ngettext("%d account is enabled.", "%d accounts are enabled.", done) % done)

    def _switch(self, request, people, *, is_active: bool) -> int:
        people = list(people)
        for person in people:
            person.is_active = is_active
            person.save(update_fields=["is_active"])  # one by one: each save also ends what the account has open
            self.log_change(request, person, [{"changed": {"fields": [str(_("Active"))]}}])
        return len(people)

    @admin.action(description=_("Forget wrong passwords and PINs: let them try again at once"))
    def forget_guesses(self, request, queryset):
        for person in queryset:
            attempts.forget_attempts_at("password", person.username.casefold())
            attempts.forget_attempts("own-password", str(person.pk))
            for place in person.enrollments.all():
                attempts.forget_attempts("pin", str(place.pk))
        messages.success(request, _("They may try again."))

    @admin.action(description=_("End the tokens of programs: their sockets close"))
    def revoke_tokens(self, request, queryset):
        for person in queryset:
            revoke_token(person)
        messages.success(request, _("No program of theirs can log in until it asks for a new token."))
