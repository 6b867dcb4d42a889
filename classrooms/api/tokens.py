"""Log-in of programs: a teacher's name and password for a token, through the same count as the page's door."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from classrooms.api.base import Api, IsTeacher
from classrooms.api.errors import Refusal
from classrooms.api.serializers import CredentialsSerializer, TokenSerializer
from classrooms.forms.doors import LogInForm
from classrooms.services.tokens import issue_token, revoke_token
from classrooms.views.doors import client_address


class AddressThrottle(ScopedRateThrottle):
    """Counts by the address that guesses are counted by."""

    def get_ident(self, request):
        return client_address(request)


class OwnToken(Api, APIView):
    """A teacher's token for programs. There is one: asking for another ends it."""

    permission_classes = [IsTeacher]
    throttle_scope = "token"

    def _is_asked_for(self) -> bool:
        return self.request is not None and self.request.method == "POST"  # None while the schema is drawn

    def get_authenticators(self):
        return [] if self._is_asked_for() else super().get_authenticators()

    def get_permissions(self):
        return [] if self._is_asked_for() else super().get_permissions()

    def get_throttles(self):
        return [AddressThrottle()] if self._is_asked_for() else []

    @extend_schema(request=CredentialsSerializer, responses={201: TokenSerializer})
    def post(self, request):
        """Get a new token for a user name and password."""
        body = CredentialsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        form = LogInForm(body.validated_data, request=request._request, address=client_address(request))
        if not form.is_valid():
            if form.throttled:
                raise Refusal(status_code=status.HTTP_429_TOO_MANY_REQUESTS, code="THROTTLED",
                              message=_("Too many tries. Wait an hour, or ask your administrator."))
            raise Refusal(status_code=status.HTTP_400_BAD_REQUEST, code="WRONG_CREDENTIALS",
                          message=_("That user name and password do not belong together."))
        return Response({"token": issue_token(form.user)}, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def delete(self, request):
        """End your token, and the sockets that it opened."""
        revoke_token(request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
