"""How REST reads a body: as strictly as a socket. DRF loads this before its views, so nothing here may import them."""

from django.conf import settings
from rest_framework.parsers import JSONParser

from classrooms.api.errors import Refusal
from sessions import errors, messages

TOO_LARGE = 413


class WireParser(JSONParser):
    """JSON as a socket takes it: no larger, no laxer. The parser of the whole API."""

    def parse(self, stream, media_type=None, parser_context=None):
        raw = stream.read(settings.WEBSOCKET_MAX_BYTES + 1)
        if len(raw) > settings.WEBSOCKET_MAX_BYTES:
            raise Refusal(status_code=TOO_LARGE, code="TOO_LONG", message=errors.PARSE_ERRORS["TOO_LONG"])
        try:
            return messages.read_json(raw.decode())
        except UnicodeDecodeError:
            raise refusal_of(messages.BadMessage("INVALID_JSON")) from None
        except messages.BadMessage as bad:
            raise refusal_of(bad) from None


def refusal_of(bad: messages.BadMessage) -> Refusal:
    return Refusal(status_code=400, code=bad.code, message=errors.PARSE_ERRORS[bad.code])
