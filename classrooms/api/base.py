"""What every REST view shares: JSON for programs, pages for staff, nothing kept in caches."""

from django.utils.cache import add_never_cache_headers
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer


class StaffPages(BrowsableAPIRenderer):
    """DRF's browsable API. Its template has styles of its own, so its pages alone may have them, and only staff get it."""

    def render(self, data, accepted_media_type=None, renderer_context=None):
        renderer_context["response"]._csp_update = {"style-src": ["'self'", "'unsafe-inline'"]}
        return super().render(data, accepted_media_type, renderer_context)


class Api:
    """Mixed into every view of the API, in front of DRF's own class."""

    def get_renderers(self):
        # Django's user, not DRF's: a browser has a cookie, and a bad token must not be judged while a renderer is chosen.
        user = getattr(getattr(self.request, "_request", None), "user", None)
        return super().get_renderers() + ([StaffPages()] if user is not None and user.is_staff else [])

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(response)
        return response


class IsTeacher(IsAuthenticated):
    """Lets teachers pass; what they may then reach, the look-ups say."""

    def has_permission(self, request, view):
        return super().has_permission(request, view) and request.user.is_teacher
