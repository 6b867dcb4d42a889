"""A refusal with a code of its own, for views and for what DRF loads before its views."""

from rest_framework.exceptions import APIException


class Refusal(APIException):
    """Refuses with this status and code; the message is for people."""

    def __init__(self, *, status_code: int, code: str, message):
        super().__init__(detail=message, code=code)
        self.status_code = status_code
        self.default_code = code
