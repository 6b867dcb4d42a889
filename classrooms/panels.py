"""The panels of a student's page: one function and one template each.

A panel takes an enrollment and returns its template and what it shows. What students read is reached
through `related_name`, so this room knows nothing of `sessions`.
"""

from django.utils.translation import gettext as _

from classrooms.models import Enrollment

MAX_QUESTIONS = 200


def reading(enrollment: Enrollment) -> dict:
    """Every text the student opened: how far, where, for how long, when last."""
    rows = enrollment.reading_sessions.select_related("text").order_by("-changed_at")
    return {
        "template": "classrooms/panels/reading.html",
        "context": {"reading_sessions": [{
            "text": row.text, "percent": row.percent, "page": row.page, "page_count": row.text.page_count,
            "status": row.status, "status_label": row.get_status_display(),
            "active_minutes": round(row.active_seconds / 60), "last_seen": row.last_seen,
        } for row in rows]},
    }


def questions(enrollment: Enrollment) -> dict:
    """Questions with what came of them, newest first; where there are more than fit, how many are shown."""
    rows = list(enrollment.interruptions.select_related("text").order_by("-created_at")[:MAX_QUESTIONS + 1])
    are_more = len(rows) > MAX_QUESTIONS
    rows = rows[:MAX_QUESTIONS]
    for row in rows:
        row.asked_at, row.text_title = row.created_at, row.text.title
        row.provider_label = provider_label(row.provider)
        row.error_message = failure_label(row.error_code)
        # What the answer itself quotes needs no saying twice.
        row.quotations = [citation for citation in row.citations or []
                          if citation["verified"] and citation["quote"] not in row.response_text]
    return {"template": "classrooms/panels/questions.html", "context": {
        "interruptions": rows, "only_newest": MAX_QUESTIONS if are_more else None}}


def provider_label(provider: str) -> str:
    """Return what people read for the name of a provider."""
    return {"openai": _("AI tutor"), "passage_helper": _("Passage helper, not AI"),
            "help_card": _("A fixed message, not AI")}.get(provider, provider)


def failure_label(code: str) -> str:
    """Return what a teacher reads for the reason of a question without an answer; "" where there was none."""
    reasons = {
        "llm_unavailable": _("The tutor could not be reached."),
        "timeout": _("The tutor took too long."),
        "busy": _("The tutor was too busy."),
        "budget_exceeded": _("The questions of that day were used up."),
    }
    return reasons.get(code, _("Something went wrong with this question.")) if code else ""


PANELS = [reading, questions]
