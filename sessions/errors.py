"""The named refusals of the services. A consumer turns one into an ERROR message, a view into a status."""

from django.utils.translation import gettext_lazy as _


class Refused(Exception):
    """Base: `code` is the contract, `message` is for people, `status` is what HTTP says."""

    code = "INVALID_MESSAGE"
    message = _("That could not be understood.")
    status = 400


class NotFound(Refused):
    """No such thing, or another's: the same words for both."""

    code = "NOT_FOUND"
    message = _("There is no such thing here.")
    status = 404


class Conflict(Refused):
    """The same message id came with another body."""

    code = "CONFLICT"
    message = _("This was already sent with other words.")
    status = 409


class InvalidPosition(Refused):
    code = "INVALID_POSITION"
    message = _("That place is not in the text.")


class StaleText(Refused):
    code = "STALE_TEXT"
    message = _("The text has changed. Please reload the page.")
    status = 409


class RateLimited(Refused):
    code = "RATE_LIMITED"
    message = _("That was too quick. Wait a moment, then ask again.")
    status = 429


class SessionGone(Refused):
    """The reading session vanished or its student was removed while a message was under way."""

    code = "NOT_FOUND"
    message = _("This reading is no longer open.")
    status = 404


# What people read for the codes that `messages.parse` gives.
PARSE_ERRORS = {
    "INVALID_JSON": _("That message could not be read."),
    "INVALID_MESSAGE": Refused.message,
    "UNKNOWN_TYPE": _("This page and the server speak different versions. Please reload."),
    "INVALID_TEXT": _("That text holds characters that cannot be stored."),
    "BINARY_UNSUPPORTED": _("Only text messages are understood."),
    "EMPTY_QUESTION": _("Write your question first."),
    "EMPTY_TEXT": _("Write something first."),
    "TOO_LONG": _("That is too long. Please make it shorter."),
    "RATE_LIMITED": RateLimited.message,
}
INTERNAL = _("Something went wrong on our side. Please try again.")
