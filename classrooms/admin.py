"""Administration of people, classes and texts. What students did is shown by the sessions' own admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from classrooms.models import Classroom, Enrollment, Text, User


@admin.register(User)
class PersonAdmin(UserAdmin):
    list_display = ["username", "role", "is_active", "is_staff", "last_login"]
    list_filter = ["role", "is_active", "is_staff"]
    fieldsets = [*UserAdmin.fieldsets, (None, {"fields": ["role"]})]


class EnrollmentInline(admin.TabularInline):
    model = Enrollment
    fields = ["nickname", "created_at", "removed_at"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request, obj=None):
        return False  # students join by code


@admin.register(Classroom)
class ClassroomAdmin(admin.ModelAdmin):
    list_display = ["name", "code_display", "is_open", "ai_enabled", "created_at"]
    list_filter = ["is_open", "ai_enabled"]
    search_fields = ["name", "code"]
    filter_horizontal = ["teachers", "texts"]
    fields = ["name", "code", "is_open", "ai_enabled", "teachers", "texts"]
    readonly_fields = ["code"]
    inlines = [EnrollmentInline]


@admin.register(Text)
class TextAdmin(admin.ModelAdmin):
    list_display = ["title", "author", "level", "word_count", "owner", "created_at"]
    search_fields = ["title", "author"]
    fields = ["title", "author", "level", "owner", "word_count", "revision"]
    readonly_fields = ["owner", "word_count", "revision"]

    def has_add_permission(self, request):
        return False  # texts come in through the import, which splits them
