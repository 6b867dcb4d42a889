"""Lists a page at a time, newest first. `before` names the last row that was seen, so rows that come or go shift nothing."""

from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework.pagination import BasePagination
from rest_framework.response import Response

PAGE = 20
GREATEST = 2**63 - 1


class BeforePagination(BasePagination):
    """Pages by primary key: it grows with each row."""

    def paginate_queryset(self, queryset, request, view=None):
        rows = self.in_order(queryset)
        if before := request.query_params.get("before"):
            rows = self.older_than(before, rows)
        found = list(rows[:PAGE + 1])
        # A path, not an address: behind a proxy only the client knows what it called us.
        self._next = f"{request.path}?{urlencode({'before': self.name_of(found[PAGE - 1])})}" if len(found) > PAGE else None
        return found[:PAGE]

    def in_order(self, rows: QuerySet) -> QuerySet:
        return rows.order_by("-pk")

    def older_than(self, before: str, rows: QuerySet) -> QuerySet:
        if not before.isascii() or not before.isdecimal() or len(before) > 19 or int(before) > GREATEST:
            raise Http404
        return rows.filter(pk__lt=int(before))

    def name_of(self, row: Model) -> str:
        return str(row.pk)

    def get_paginated_response(self, data):
        return Response({"results": data, "next": self._next})

    def get_schema_operation_parameters(self, view):
        return [{"name": "before", "in": "query", "required": False, "schema": {"type": "integer"},
                 "description": "The id of the last row seen; older ones follow."}]

    def get_paginated_response_schema(self, schema):
        return {"type": "object", "required": ["results", "next"], "properties": {
            "results": schema,
            "next": {"type": ["string", "null"], "description": "The path of the next page; null on the last one."}}}
