"""The API for programs as one tree: `/api/v1/…`, and `/api/…` for whichever version is the newest."""

from django.urls import include, path, reverse
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from classrooms.api.base import Api

LISTS = ("sessions", "texts", "classrooms", "token", "schema")


class Root(Api, APIView):
    """Where everything is. Teachers log in with `Authorization: Token …`, browsers with their cookie."""

    @extend_schema(operation_id="root", responses={200: {"type": "object", "additionalProperties": {"type": "string"}}})
    def get(self, request):
        return Response({name: reverse(f"api_{name}") for name in LISTS})


class Schema(Api, SpectacularAPIView):
    """This API in OpenAPI 3.1."""


version_1 = [
    path("", Root.as_view(), name="api_root"),
    path("schema/", Schema.as_view(), name="api_schema"),
    path("", include("classrooms.api.urls")),
    path("", include("sessions.api.urls")),
]
urlpatterns = [
    path("v1/", include(version_1)),
    path("", include((version_1, "newest"))),
]
