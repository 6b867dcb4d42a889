"""The bodies that only REST has; all others are the payloads of `messages`."""

from typing import Annotated, Literal

from pydantic import Field

from sessions import messages
from sessions.models import ReadingSession
from sessions.services.snapshots import seconds


class NewSession(messages.Schema):
    """Which text to read."""

    text: Annotated[int, Field(ge=1)]


class SocketAddress(messages.Schema):
    """Where the socket opens, once and within a minute. The key is the one of the protocol's first clients."""

    websocket_url: Annotated[str, Field(alias="websocket_url")]


class SessionSummary(messages.Schema):
    """One reading session: where its reader is. The socket's snapshot has the rest."""

    id: messages.WireId
    classroom_id: int
    text: messages.TextView
    word_index: int
    furthest_word_index: int
    rev: int
    page: int
    page_count: int
    percent: int
    status: Literal["reading", "away", "finished"]
    active_seconds: int
    created_at: float
    last_seen: float | None = None


class StartedSession(SessionSummary, SocketAddress):
    """A reading session and where its socket opens."""


class Question(messages.StudentInterruption):
    """A question with the client's own UUID: sent again, it gets the same answer and is not asked twice."""

    id: messages.WireId


class Page(messages.Schema):
    """Part of a list; `next` is the path of what follows, null on the last page."""

    next: str | None


class SessionPage(Page):
    results: list[SessionSummary]


class InterruptionPage(Page):
    results: list[messages.InterruptionView]


class RoomInterruptionPage(Page):
    results: list[messages.RoomInterruption]


def summary_fields(row: ReadingSession) -> dict:
    """Return a SessionSummary's fields. Needs the row's text and enrollment."""
    text = row.text
    return dict(
        id=row.pk, classroom_id=row.enrollment.classroom_id, word_index=row.word_index,
        text=messages.TextView(id=text.pk, title=text.title, words=text.word_count, revision=text.revision),
        furthest_word_index=row.furthest_word_index, rev=row.rev, page=row.page, page_count=text.page_count,
        percent=row.percent, status=row.status, active_seconds=row.active_seconds, created_at=seconds(row.created_at),
        last_seen=seconds(row.last_seen))
