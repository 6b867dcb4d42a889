"""One body for every refusal: the code is the contract, the message is for people, as in the sockets' ERROR."""

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.views import exception_handler

NOT_FOUND = {"code": "NOT_FOUND", "message": _("There is no such thing here.")}
NOT_UNDERSTOOD = _("That could not be understood.")


def refuse(error, context):
    """Return the response to an exception, called by DRF; None for one that is a fault of ours."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if response.status_code == status.HTTP_404_NOT_FOUND:
        response.data = NOT_FOUND  # the same for what is absent and what is another's, whoever refused it
    elif isinstance(error, exceptions.ValidationError):
        response.data = {"code": "INVALID_MESSAGE", "message": NOT_UNDERSTOOD, "fields": response.data}
    elif isinstance(error, exceptions.APIException):
        response.data = {"code": error.default_code.upper(), "message": str(error.detail)}
    else:  # Django's PermissionDenied
        response.data = {"code": "PERMISSION_DENIED", "message": exceptions.PermissionDenied.default_detail}
    return response
