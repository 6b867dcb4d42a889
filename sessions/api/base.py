"""What the views of reading share: the bodies of `messages`, the refusals of the services."""

from rest_framework.views import APIView

from classrooms.api.base import Api
from classrooms.api.errors import Refusal
from sessions import errors, messages
from sessions.api.parsing import refusal_of


class WireView(Api, APIView):
    """Base of the views of reading: refusals of messages and services become responses here and nowhere else."""

    def handle_exception(self, exc):
        if isinstance(exc, messages.BadMessage):
            exc = refusal_of(exc)
        elif isinstance(exc, errors.Refused):
            exc = Refusal(status_code=exc.status, code=exc.code, message=exc.message)
        return super().handle_exception(exc)


def wire(shape: messages.Schema) -> dict:
    """Return a body as plain JSON types. Optional fields that hold None are left out."""
    return shape.model_dump(mode="json", by_alias=True, exclude_none=True)
