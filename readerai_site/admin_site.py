"""The administration: who gets in and by which door, and its first page.

What each table's pages show and allow stands in the apps' `admin`, on `classrooms.admin.base`.
"""

from datetime import timedelta

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext_lazy as _


class AdministrationSite(admin.AdminSite):
    """The one administration site. Strangers go to the teachers' door, where guesses are counted."""

    site_header = site_title = _("ReaderAI classroom")
    index_title = _("Administration")
    site_url = "/classes/"
    index_template = "admin/today.html"

    def register(self, model_or_iterable, admin_class=None, **options):
        """Take only pages that keep to own rows: those that other apps bring show everything to whoever has a right."""
        if hasattr(admin_class, "own_rows"):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request):
        return request.user.is_active and request.user.is_staff and request.user.is_teacher

    def login(self, request, extra_context=None):
        """Send strangers to the one door with a count of wrong passwords; tell others that this is not theirs."""
        wanted = request.GET.get("next", "")
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': wanted or reverse('admin:index')})}")
        if not self.has_permission(request):
            raise PermissionDenied
        ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
        return HttpResponseRedirect(wanted) if ours else redirect("admin:index")

    def password_change(self, request, extra_context=None):
        """Send to the account page, which asks for the old password and counts wrong ones."""
        return redirect("password_change")

    def get_log_entries(self, request):
        """Show administrators what they did; a teacher's list would go on naming classes that they left."""
        entries = super().get_log_entries(request)
        return entries if request.user.is_superuser else LogEntry.objects.none()

    def index(self, request, extra_context=None):
        return super().index(request, {"now": self._now(request), **(extra_context or {})})

    def _now(self, request) -> list[dict]:
        """Return what an administrator looks at first: {label, number, url, urgent}, of the rows they may see."""
        from sessions.models import Interruption, ReadingSession  # the site exists before the models do
        reading = self.get_model_admin(ReadingSession).get_queryset(request)
        asked = self.get_model_admin(Interruption).get_queryset(request)
        sessions_url = reverse("admin:reading_sessions_readingsession_changelist")
        asked_url = reverse("admin:reading_sessions_interruption_changelist")
        day, minute = timezone.now() - timedelta(days=1), timezone.now() - timedelta(minutes=1)
        failed = asked.filter(state="failed", created_at__gte=day).count()
        late = asked.filter(state="queued", created_at__lt=minute).count()
        return [
            {"label": _("reading now"), "number": reading.filter(status="reading", last_seen__isnull=False).count(),
             "url": f"{sessions_url}?status__exact=reading", "urgent": False},
            {"label": _("questions in the last 24 hours"), "number": asked.filter(created_at__gte=day).count(),
             "url": asked_url, "urgent": False},
            {"label": _("of them failed"), "number": failed, "urgent": failed > 0,
             "url": f"{asked_url}?state__exact=failed"},
            {"label": _("waiting for more than a minute"), "number": late,
             "url": f"{asked_url}?state__exact=queued", "urgent": late > 0},
        ]
