"""Lists of rows whose keys are random UUIDs: by the moment they were made, and by key where moments are equal."""

from uuid import UUID

from django.db.models import Q
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from classrooms.api.paging import BeforePagination

BEFORE = OpenApiParameter("before", OpenApiTypes.UUID, description="The id of the last row seen; older ones follow.")


class ByMoment(BeforePagination):
    """Pages by `created_at`. The row named by `before` must be one that the reader may see."""

    def in_order(self, rows):
        return rows.order_by("-created_at", "-pk")

    def older_than(self, before, rows):
        try:
            last = rows.get(pk=UUID(before))
        except (ValueError, rows.model.DoesNotExist):
            raise Http404 from None
        return rows.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk))
