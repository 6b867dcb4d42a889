"""Doors that wrong guesses have closed, for administrators: what kind, since when, and the way to open them again."""

from datetime import timedelta

from django.conf import settings
from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from classrooms.admin.base import OwnRows
from classrooms.database import transaction
from classrooms.models import AttemptCount

KINDS = {
    "password": _("passwords of one account from one address"),
    "own-password": _("the old password on one account page"),
    "pin": _("PINs of one student"),
    "code": _("class codes from one address"),
    "guess": _("class codes from one address, before it is not listened to"),
    "newcomer": _("new students of one class"),
    "sign-up": _("user names at the sign-up from one address"),
    "colleague": _("colleagues' names by one teacher"),
    "letters": _("letters asked for from one address"),
    "letters-to": _("letters to one mailbox"),
    "letters-of": _("letters of one account"),
}


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        kinds = AttemptCount.objects.order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, KINDS.get(kind, kind)) for kind in kinds]

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AttemptCount)
class AttemptCountAdmin(OwnRows):
    """Rows hold digests only, so whom one is about is not shown: an account is opened again from its own row."""

    list_display = ["kind_label", "count", "since", "ends"]
    list_display_links = None
    list_filter = [KindFilter]
    ordering = ["-count", "-since"]
    actions = ["forget"]

    def has_act_permission(self, request) -> bool:
        return request.user.is_superuser

    @admin.display(description=_("guesses at"), ordering="kind")
    def kind_label(self, obj):
        return KINDS.get(obj.kind, obj.kind)

    @admin.display(description=_("forgotten by itself"), ordering="since")
    def ends(self, obj):
        return obj.since + timedelta(seconds=settings.DURATIONS.attempts)

    @admin.action(description=_("Forget these guesses: let them try again at once"), permissions=["act"])
    def forget(self, request, queryset):
        with transaction():
            forgotten, _rows = queryset.delete()
        messages.success(request, ngettext("%d count is forgotten.", "%d counts are forgotten.", forgotten) % forgotten)
