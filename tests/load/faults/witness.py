"""Those who count: the rows in the database, the model's own list of calls, and a fresh look at what pages show.

Proofs call these when the fault is over. They change nothing, and report to `ground.fails`.
"""

import asyncio
import json
import time
from collections import Counter

from classrooms.models import Classroom, User
from classrooms.services.classes import create_classroom
from classrooms.services.texts import create_text
from sessions.models import Interruption, ReadingSession, Receipt
from sessions.services import snapshots
from tests.clients import numbered
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.people import STORY, Person, hashed, log_in, seat, stored

ATTEMPTS = 3
PATIENCE = 60.0
LOADED = 3.0  # seconds that two loaded cores may be late where durations are shortened, however short they are


def _people(students: int, classes: int) -> tuple[list[Person], list[Person]]:
    carol = User.objects.create(username=f"carol{time.time_ns()}", password=hashed("correct horse"),
                                role=User.Role.TEACHER)
    rooms = [create_classroom(teacher=carol, name=f"Class {number}") for number in range(classes)]
    story = create_text(owner=carol, raw=STORY, level="ages 9 to 11", classrooms=rooms)
    cookie = log_in(carol)
    return ([seat(rooms[number % classes], f"reader {number}", story) for number in range(students)],
            [Person(carol, room, cookie) for room in rooms])


async def people(ground: Ground, students: int, *, classes: int = 1):
    """Return so many new students, spread over classes of one new teacher, and her once for each class."""
    return await stored(_people, students, classes)


async def all_ended(ground: Ground, *, seconds: float = PATIENCE) -> None:
    """Wait until no question is open; whatever stays open, while none ends for so many seconds, is a broken promise."""
    fewest, ends = float("inf"), 0.0
    while still := await stored(Interruption.objects.filter(state__in=Interruption.OPEN).count):
        if still < fewest:
            fewest, ends = still, time.monotonic() + seconds
        if time.monotonic() > ends:
            return ground.fails(f"{still} questions are still open, and none ended for {seconds:.0f} s")
        await asyncio.sleep(0.1)


async def all_said(ground: Ground, *, seconds: float = PATIENCE) -> None:
    """Wait until every page has an answer to all that it sent."""
    for heard in await asyncio.gather(*[page.until(lambda page: not page.outbox, seconds=seconds) for page in ground.pages]):
        if not heard:
            ground.fails("a page's message was never answered")


async def count(ground: Ground, *, outcomes: bool = True, in_time: bool = True,
                of_the_model: bool = True) -> dict[str, int]:
    """Hold what pages were told against the rows and, usually, the model's own list; return what was found."""
    rows = {str(row.pk): row for row in await stored(lambda: list(Interruption.objects.all()))}
    of_question = Counter(row.question_text for row in rows.values())
    receipts = Counter(await stored(lambda: [str(id) for id in Receipt.objects.values_list("message_id", flat=True)]))
    found: Counter[str] = Counter()
    for page in ground.pages:
        for id, interruption in page.acknowledged.items():
            found["acknowledged"] += 1
            row = rows.get(interruption)
            if row is None or row.question_text != page.asked[id]:
                ground.fails(f"acknowledged and absent: {page.asked[id]}")
            elif outcomes and row.state in Interruption.OPEN:
                ground.fails(f"acknowledged and without outcome: {page.asked[id]}")
            if of_question[page.asked[id]] != 1:
                ground.fails(f"{of_question[page.asked[id]]} rows for one message")
            if len(page.outcomes.get(interruption, ())) > 1:
                ground.fails(f"told two outcomes of one question: {page.outcomes[interruption]}")
        for id in page.settled:
            if not page.is_room and page.settled[id] not in ("PROGRESS_SAVED", "RESUME_AUDIO") and receipts[id] != 1:
                ground.fails(f"{receipts[id]} receipts for one answered message")
    calls = Counter(request.question for request in ground.model.requests)
    for times in calls.values():
        if times > ATTEMPTS:
            ground.fails(f"{times} calls of the model for one question")
    bound = 120 * ground.scale + LOADED * (1 - ground.scale)
    for row in rows.values():
        found[row.state if row.state != "failed" else f"failed({row.error_code})"] += 1
        if of_the_model and row.state == "answered" and not calls[row.question_text] and row.provider != "passage_helper":
            ground.fails("an answer that the model never gave")
        if row.finished_at and row.claimed_at:
            claimed, finished = row.claimed_at.timestamp(), row.finished_at.timestamp()
            took = finished - claimed - ground.without_engine(claimed, finished)
            if in_time and took > bound:
                ground.fails(f"{took:.1f} s from the first claim to the outcome, where {bound:.1f} are promised")
    found["calls of the model"] = calls.total()
    found["most calls for one"] = max(calls.values(), default=0)
    return dict(found)


async def numbers_fit(ground: Ground) -> None:
    """Each durable change took one number of its session: a question two, other receipts one. More means done twice."""
    def wrong() -> list[str]:
        rows = Interruption.objects.all()
        questions = Counter(rows.values_list("reading_session_id", flat=True))
        ended = Counter(rows.exclude(state__in=Interruption.OPEN).values_list("reading_session_id", flat=True))
        others = Counter(Receipt.objects.exclude(type__in=("STUDENT_INTERRUPTION", "CANCEL_INTERRUPTION"))
                         .filter(teacher=None).values_list("reading_session_id", flat=True))
        return [f"session number {version} for {questions[pk]} questions, {ended[pk]} outcomes, {others[pk]} others"
                for pk, version in ReadingSession.objects.values_list("pk", "version")
                if version != questions[pk] + ended[pk] + others[pk]]
    for what in await stored(wrong):
        ground.fails(what)


PLACE = ("wordIndex", "furthestWordIndex", "rev")


async def pages_agree(ground: Ground, *, seconds: float = 30, progress: bool = True) -> None:
    """Hold what every page shows against a snapshot that is taken now; it may take its heartbeats to get there.

    Without `progress` the place is left out: it has no number, so a second tab learns a lost one when it speaks.
    """
    def seen(state: dict) -> dict:
        state = numbered(state)
        return state if progress else {name: value for name, value in state.items() if name not in PLACE}

    async def agrees(page: Page) -> None:
        theirs, ends = seen(await stored(snapshot_of, page)), time.monotonic() + seconds
        while page.shown is None or (mine := seen(page.shown.state)) != theirs:
            if time.monotonic() > ends:
                differing = {name: (mine.get(name), theirs.get(name)) for name in mine.keys() | theirs.keys()
                             if mine.get(name) != theirs.get(name)} if page.shown else "nothing"
                return ground.fails(f"a page does not show what the database has: {str(differing)[:600]}")
            await asyncio.sleep(0.2)

    await asyncio.gather(*[agrees(page) for page in ground.pages])


def snapshot_of(page: Page) -> dict:
    """Return the payload of a snapshot taken now, as its socket would be sent it."""
    if page.is_room:
        made = snapshots.classroom_state(Classroom.objects.get(pk=page.person.classroom.pk))
    else:
        made = snapshots.session_restored(ReadingSession.objects.select_related("enrollment__classroom", "text").get(
            pk=page.person.reading_session.pk))
    return json.loads(made.encode())["payload"]


def described(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {times:,}" for name, times in sorted(found.items()))
