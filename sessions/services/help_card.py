"""The fixed answer to a child who writes of dying or of being hurt, and the flag by which their teacher sees it.

`questions` asks here before a question is queued. Such a one never gets there: it is answered in the transaction that
records it, so no model reads it and nothing can delay or lose the card.
"""

from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.utils.translation import gettext as _

from classrooms.models import Text
from sessions import messages, safety
from sessions.models import Interruption
from sessions.services import texts

PROVIDER = "help_card"


def flag_of(payload: messages.StudentInterruption, text: Text) -> str:
    """Return why a teacher should look at a question, "" where there is no reason."""
    return safety.worry_in(
        payload.question_text, payload.student_thought or "", book=lambda: plain_text(text.pk, text.revision))


@lru_cache(maxsize=4)
def plain_text(text_id: int, revision: int) -> str:
    """Return a whole text as `safety` reads it. Kept, for the writer of everybody's questions waits for it: a long
    novel takes a tenth of a second, the longest text that is taken in a whole one."""
    return safety.plain(" ".join(paragraph.text for paragraph in texts.paragraphs(text_id, revision)))


def answer(row: Interruption, *, now: datetime) -> None:
    """Give a question that is about to be stored the card as its answer."""
    row.state = Interruption.State.ANSWERED
    row.provider, row.response_type, row.response_text = PROVIDER, "text", words()
    row.finished_at = now


def words() -> str:
    """Return what the child reads; the school's own numbers (HELP_CARD) at the end."""
    card = _(
        "Thank you for writing this down. It sounds as if something is very hard right now, and nobody has to carry "
        "that alone.\n\n"
        "Please talk to a grown-up you trust today: someone at home, your teacher, a nurse or a counsellor at school. "
        "Your teacher can see what you wrote here, so that they can help.\n\n"
        "If you or someone else is in danger now, call the emergency number, or ask a person near you to call.")
    return f"{card}\n\n{settings.HELP_CARD}" if settings.HELP_CARD else card
