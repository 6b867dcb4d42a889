"""E-mails, sent from a thread of their own.

No answer waits for the mail server, and none tells by the time it took whether there was anybody to write to.
What a server does not take is logged by the account's number and lost: people ask again.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, override

from classrooms.models import User

logger = logging.getLogger(__name__)
# One thread: letters leave in order, and a slow server holds one connection. At exit it finishes what it has.
post = ThreadPoolExecutor(max_workers=1, thread_name_prefix="letters")


def write(user: User, *, subject: str, template: str, context: dict, to: str = "") -> None:
    """Send the rendered `classrooms/letters/<template>.txt` to a user's address, or to the one they had before."""
    if not settings.SENDS_EMAIL or not (to or user.email):
        return
    post.submit(_send, subject, template, context | {"user": user}, to or user.email, get_language())


def _send(subject: str, template: str, context: dict, to: str, language: str) -> None:
    try:
        with override(language):
            body = render_to_string(f"classrooms/letters/{template}.txt", context)
        EmailMessage(subject, body, to=[to]).send()
    except Exception as error:  # whatever the server or the network comes up with
        # Not its traceback: servers quote addresses.
        logger.error("A letter to account %s was not sent: %s.", context["user"].pk, type(error).__name__)


def link(request, name: str, *args) -> str:
    """Return the address of a page for a letter: on the public origin, where one is set, whatever the request says."""
    path = reverse(name, args=args)
    return settings.PUBLIC_ORIGINS[0] + path if settings.PUBLIC_ORIGINS else request.build_absolute_uri(path)
