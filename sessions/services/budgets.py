"""What a language model may be asked in a day, and whether it is asked at all.

`queue.claim` looks here inside the transaction that takes a question, and no two workers are in one at the same time:
so a budget is kept exactly, over all of them. What the passage helper answers costs nothing and counts for nothing.
A day is the calendar's, in the school's time zone; a question counts on the day it was asked.
"""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from classrooms.models import Classroom
from sessions.models import Interruption

EXCEEDED = "budget_exceeded"
FREE = ("passage_helper",)


def uses_model(classroom: Classroom) -> bool:
    """True where questions of the class go to a language model, False where the passage helper answers them."""
    return classroom.ai_enabled and settings.TUTOR_PROVIDER not in FREE


def used_up(row: Interruption, *, now: datetime) -> bool:
    """True when the student or the class of a question that is being claimed has had its answers of today."""
    if not uses_model(row.classroom):
        return False
    # Whatever was claimed was sent, or is being sent, unless it turned out otherwise.
    sent = Interruption.objects.filter(created_at__gte=start_of_day(now), claimed_at__isnull=False).exclude(
        provider__in=FREE).exclude(error_code=EXCEEDED)
    if sent.filter(enrollment_id=row.enrollment_id).count() >= settings.LIMITS.questions_per_day:
        return True
    of_class = row.classroom.daily_questions
    return of_class is not None and sent.filter(classroom_id=row.classroom_id).count() >= of_class


def start_of_day(now: datetime) -> datetime:
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
