"""Texts, for those who may read them, a page at a time."""

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from classrooms.api.base import Api
from classrooms.api.serializers import OneTextSerializer, PageSerializer, TextSerializer
from classrooms.middleware import enrollment_of
from classrooms.models import Text
from classrooms.services.texts import texts_for_user


def readable_texts(request) -> QuerySet[Text]:
    """Return a student's class's texts; a teacher's own and those of the classes they teach."""
    if request.user.is_teacher:
        return texts_for_user(request.user)
    enrollment = enrollment_of(request._request)
    return enrollment.classroom.texts.all() if enrollment else Text.objects.none()


def text_or_404(request, text_id: int) -> Text:
    try:
        return readable_texts(request).get(pk=text_id)
    except Text.DoesNotExist:
        raise Http404 from None


class TextList(Api, ListAPIView):
    """The texts you may read: those of your class, or for a teacher their own and those of their classes."""

    queryset = Text.objects.none()
    serializer_class = TextSerializer

    def get_queryset(self):
        return readable_texts(self.request)


class OneText(Api, RetrieveAPIView):
    """One text, with the first word of each of its pages."""

    serializer_class = OneTextSerializer

    def get_object(self):
        return text_or_404(self.request, self.kwargs["text_id"])


class TextPage(Api, APIView):
    """The passages of one page, counted from 1."""

    @extend_schema(responses=PageSerializer)
    def get(self, request, text_id, page):
        text = text_or_404(request, text_id)
        if not 1 <= page <= text.page_count:
            raise Http404
        return Response(PageSerializer(
            {"page": page, "revision": text.revision, "passages": text.passages.filter(page=page)}).data)
