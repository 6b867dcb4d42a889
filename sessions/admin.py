"""What students read and asked, for the administrator to look at. History is not edited here."""

from django.contrib import admin

from sessions.models import Interruption, ReadingSession


class LookOnly(admin.ModelAdmin):
    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(ReadingSession)
class ReadingSessionAdmin(LookOnly):
    list_display = ["enrollment", "text", "status", "last_seen"]
    list_filter = ["status"]
    list_select_related = ["enrollment", "text"]
    search_fields = ["enrollment__nickname", "text__title"]


@admin.register(Interruption)
class InterruptionAdmin(LookOnly):
    list_display = ["question_text", "enrollment", "text", "state", "error_code", "created_at"]
    list_filter = ["state", "error_code", "provider"]
    list_select_related = ["enrollment", "text"]
    search_fields = ["question_text", "enrollment__nickname"]
