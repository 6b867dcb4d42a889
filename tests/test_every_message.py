"""Old snapshot + message = fresh snapshot, for every message type that exists; a new type without a row here fails.

Each row brings its message about. Then the page that heard it, and applied it as the protocol says, is held against
a snapshot that is taken now. What a page must ask for (`RESTORE`) or may ignore is a row too.
"""

import asyncio
import copy
import dataclasses
from types import SimpleNamespace

import pytest

from classrooms.services.doors import join_classroom
from classrooms.services.roster import remove_student
from readerai_site.durations import Limits
from sessions import messages
from sessions.models import Engine
from tests.clients import RoomPage, StudentPage, numbered
from tests.people import PATIENCE, reader, room, stored
from tests.test_revising import edit
from tests.test_room import state_of

STATELESS = {"PAUSE_AUDIO", "RESUME_AUDIO", "PONG", "DONE", "ERROR"}  # they must change nothing that a snapshot says
SNAPSHOTS = {"SESSION_RESTORED", "CLASSROOM_STATE"}
ASKS_AGAIN = {"TEXT_REVISED"}
TO_WHO_ASKED = {"SESSION_RESTORED", "PAUSE_AUDIO", "RESUME_AUDIO", "QUEUE_POSITION", "PONG", "DONE", "ERROR"}


async def asks(scene):
    return (await scene.a.ask("What is a burrow?"))["payload"]["interruptionId"]


async def asks_and_hears_a_piece(scene):
    await asks(scene)
    await scene.a.hears("INTERRUPTION_RESPONSE_DELTA")


async def asks_behind_another(scene):
    """Of two that wait for the one slot the first is taken back, and the second moves up."""
    await asks_and_hears_a_piece(scene)
    first = await asks(scene)
    await asks(scene)
    await scene.a.sends("CANCEL_INTERRUPTION", {"interruptionId": first})


async def asks_and_is_answered(scene):
    scene.model.releases()
    await asks(scene)


async def asks_in_vain(scene):
    scene.model.behaves("401")
    await asks(scene)


def by_a(type, payload=None):
    return lambda scene: scene.a.sends(type, payload)


def by_c(type, payload=None):
    return lambda scene: scene.c.sends(type, payload)


async def has_its_text_edited(scene):
    await stored(edit, scene.story)


STUDENTS = {
    "SESSION_RESTORED": by_a("RESTORE"),
    "INTERRUPTION_ACKNOWLEDGED": asks,
    "QUEUE_POSITION": asks_behind_another,
    "PAUSE_AUDIO": asks,
    "RESUME_AUDIO": by_a("REPEAT_AUDIO", {"fromWordIndex": 3}),
    "INTERRUPTION_RESPONSE_DELTA": asks,
    "INTERRUPTION_RESPONSE": asks_and_is_answered,
    "INTERRUPTION_ERROR": asks_in_vain,
    "PROGRESS_SAVED": by_a("READING_PROGRESS", {"wordIndex": 30, "rev": 1}),
    "PREFERENCES_SAVED": by_a("SET_PREFERENCES", {"theme": "dark"}),
    "CLASS_BROADCAST": by_c("BROADCAST", {"text": "Good morning"}),
    "TEXT_REVISED": has_its_text_edited,
    "PONG": by_a("PING"),
    "ERROR": by_a("REPEAT_AUDIO", {"fromWordIndex": 10**6}),
}


async def sees_someone_join(scene):
    await stored(join_classroom, code=scene.carol.classroom.code, nickname="Zoë", pin="4321", address="10.0.0.9")


async def sees_someone_removed(scene):
    await stored(remove_student, scene.bob.enrollment)


async def sees_the_tutor_go(scene):
    await stored(Engine.objects.all().delete)


TEACHERS = {
    "CLASSROOM_STATE": by_c("RESTORE"),
    "STUDENT_JOINED": sees_someone_join,
    "STUDENT_PRESENCE": sees_someone_removed,
    "STUDENT_PROGRESS": by_a("READING_PROGRESS", {"wordIndex": 30, "rev": 1}),
    "INTERRUPTION_OPENED": asks,
    "INTERRUPTION_RESPONSE_DELTA": asks,
    "INTERRUPTION_ANSWERED": asks_and_is_answered,
    "INTERRUPTION_FAILED": asks_in_vain,
    "HEATMAP_UPDATED": asks,
    "CLASS_BROADCAST": by_c("PAUSE_CLASS"),
    "TEXT_REVISED": has_its_text_edited,
    "TUTOR_STATUS": sees_the_tutor_go,
    "PONG": by_c("PING"),
    "DONE": by_c("RESUME_CLASS"),
    "ERROR": by_c("FOCUS", {"textId": 10**6, "wordIndex": 0}),
}


@pytest.fixture
def scene(swift, settings, serving, alice, bob, carol, story, model):
    """A model that stops after its first piece, with one slot; drafts are stored at once."""
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=1_000, llm_concurrent=1)
    settings.DURATIONS = dataclasses.replace(settings.DURATIONS, draft=0.05, delta=0.05)
    model.says("A burrow ", "is a home.")
    model.holds()
    return SimpleNamespace(alice=alice, bob=bob, carol=carol, story=story, model=model)


async def until_equal(page, fresh):
    """Wait until a page shows what a fresh snapshot says, word for word where an answer is under way."""
    async with asyncio.timeout(PATIENCE):
        while (truth := await fresh()) is not None and (numbered(page.state), drafts(page.state)) != (
                numbered(truth), drafts(truth)):
            await page.listen()
            if not page.conversation.heard:
                await page.conversation.hears_any()


def drafts(state):
    """Return what is under way of each open question: the place in the queue, or the text so far."""
    return {view["interruptionId"]: (view["state"], view.get("attempt"), view.get("draftText", ""),
                                     view.get("queuePosition"))
            for view in state["interruptions"] if view["state"] in ("queued", "answering")}


async def hears_and_agrees(page, type, step, fresh):
    """Let the message come to the page, then hold it against the truth."""
    before = copy.deepcopy(page.state)
    await step
    told = await page.conversation.hears(type)
    if type in STATELESS:
        page.state = before
        page.apply(type, told["payload"])
        assert page.state == before
        return await page.restores()
    if type in ASKS_AGAIN:
        await page.restores()
    await until_equal(page, fresh)


@pytest.mark.parametrize("type", messages.TO_STUDENT)
async def test_for_a_student(scene, type):
    async with reader(scene.alice) as scene.a, reader(scene.alice) as tab, room(scene.carol) as scene.c:
        page = StudentPage(scene.a if type in TO_WHO_ASKED else tab)

        async def fresh():
            async with reader(scene.alice) as another:
                return another.snapshot["payload"]

        await hears_and_agrees(page, type, STUDENTS[type](scene), fresh)
        scene.model.releases()


@pytest.mark.parametrize("type", messages.TO_TEACHER)
async def test_for_a_teacher(scene, type):
    async with reader(scene.alice) as scene.a, room(scene.carol) as scene.c:
        page = RoomPage(scene.c)

        async def fresh():
            return await stored(state_of, scene.carol.classroom)

        await hears_and_agrees(page, type, TEACHERS[type](scene), fresh)
        scene.model.releases()


def test_no_row_is_left_of_a_type_that_is_gone():
    assert (STUDENTS.keys(), TEACHERS.keys()) == (messages.TO_STUDENT.keys(), messages.TO_TEACHER.keys())
    assert STATELESS | SNAPSHOTS | ASKS_AGAIN | TO_WHO_ASKED <= STUDENTS.keys() | TEACHERS.keys()
