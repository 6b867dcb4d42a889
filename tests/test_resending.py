"""Resending is harmless: a durable message with the same id and body gets the stored reply and has one effect."""

import asyncio
import dataclasses
import json
import uuid

import pytest
from django.db import connections

from readerai_site.durations import Limits
from sessions import messages
from sessions.models import Broadcast, Interruption, ReadingSession, Receipt
from sessions.services import questions, reading
from sessions.sockets import receipt_key
from sessions.writes import run_batch
from tests.people import reader, room, stored

QUESTION = {"questionText": "What is a burrow?", "context": {"currentWordIndex": 12, "currentSentence": "A burrow is."}}


def effects():
    """All that durable messages leave behind."""
    return {
        "questions": list(Interruption.objects.order_by("pk").values_list("pk", "state", "question_text")),
        "broadcasts": list(Broadcast.objects.order_by("version").values_list("kind", "text", "version")),
        "sessions": list(ReadingSession.objects.order_by("pk").values_list("pk", "version", "preferences")),
        "receipts": Receipt.objects.count(),
    }


def told(frame):
    """The parts of a reply that must be the same each time."""
    return {name: frame.get(name) for name in ("type", "payload", "inReplyTo", "version")}


async def reply(conversation, id):
    return await conversation.hears(
        *(messages.TO_STUDENT.keys() | messages.TO_TEACHER.keys()),
        where=lambda frame: frame.get("inReplyTo") == id and frame["type"] != "PAUSE_AUDIO")


DURABLE = {
    "STUDENT_INTERRUPTION": (QUESTION, QUESTION | {"questionText": "What is a fox?"}),
    "CANCEL_INTERRUPTION": (None, {"interruptionId": str(uuid.UUID(int=1))}),
    "SET_PREFERENCES": ({"theme": "sepia", "fontScale": 1.2}, {"theme": "dark"}),
    "BROADCAST": ({"text": "Good morning"}, {"text": "Good evening"}),
    "FOCUS": (None, {"textId": 1, "wordIndex": 3}),
    "PAUSE_CLASS": ({}, None),
    "RESUME_CLASS": ({}, None),
}


def test_every_durable_message_is_in_the_table():
    known = messages.STUDENT_MESSAGES | messages.TEACHER_MESSAGES
    assert {type for type, schema in known.items() if schema.durable} == DURABLE.keys()


@pytest.mark.parametrize("type", DURABLE)
async def test_the_same_message_again_gets_the_stored_reply_and_another_body_a_conflict(
        swift, serving_without_engine, alice, carol, story, type):
    by_student = type in messages.STUDENT_MESSAGES
    opens, person = (reader, alice) if by_student else (room, carol)
    payload, other = DURABLE[type]
    async with opens(person) as first, opens(person) as second:
        if type == "CANCEL_INTERRUPTION":
            payload = {"interruptionId": (await first.ask("What is a burrow?"))["payload"]["interruptionId"]}
        elif type == "FOCUS":
            payload = {"textId": story.pk, "wordIndex": 40}
        id = await first.sends(type, payload)
        answer = told(await reply(first, id))
        assert answer["type"] != "ERROR"
        after = await stored(effects)

        await first.sends(type, payload, id=id)
        assert told(await reply(first, id)) == answer
        second.heard.clear()
        turned = {key: payload[key] for key in reversed(payload)}
        # The id in capitals, the keys in another order: the same message all the same.
        await second.sends_text(json.dumps({"payload": turned, "id": id.upper(), "type": type}))
        assert told(await hears_again(second, id)) == answer
        assert await stored(effects) == after

        if other is not None:
            await first.sends(type, other, id=id)
            assert (await reply(first, id))["payload"]["code"] == "CONFLICT"
        another = "SET_PREFERENCES" if type == "STUDENT_INTERRUPTION" else (
            "STUDENT_INTERRUPTION" if by_student else "PAUSE_CLASS" if type != "PAUSE_CLASS" else "RESUME_CLASS")
        await first.sends(another, QUESTION if another == "STUDENT_INTERRUPTION" else {}, id=id)
        assert (await reply(first, id))["payload"]["code"] == "CONFLICT"
        assert await stored(effects) == after
    async with opens(person) as back:
        await back.sends(type, payload, id=id)
        assert told(await reply(back, id)) == answer
    assert await stored(effects) == after


async def hears_again(conversation, id):
    """Return the reply to a resent message: the last frame that names it, for the group told of the first one too."""
    await conversation.replied(await conversation.sends("PING"), "PONG")
    return [frame for frame in conversation.heard if frame.get("inReplyTo") == id][-1]


async def test_two_sockets_that_resend_at_the_same_moment_leave_one_question(swift, serving_without_engine, alice):
    async with reader(alice) as a, reader(alice) as b, reader(alice) as c:
        id = str(uuid.uuid4())
        for _ in range(4):  # all in one batch, or in two: nothing waits in between
            for conversation in (a, b, c):
                await conversation.sends("STUDENT_INTERRUPTION", QUESTION, id=id)
        replies = [told(await reply(conversation, id)) for conversation in (a, b, c) for _ in range(4)]
        assert all(answer == replies[0] for answer in replies) and replies[0]["version"] == 1
    assert await stored(Interruption.objects.count) == await stored(Receipt.objects.count) == 1


async def test_of_two_bodies_under_one_id_at_the_same_moment_one_wins(swift, serving_without_engine, alice):
    async with reader(alice) as a, reader(alice) as b:
        id = str(uuid.uuid4())
        await a.sends("STUDENT_INTERRUPTION", {"questionText": "First?"}, id=id)
        await b.sends("STUDENT_INTERRUPTION", {"questionText": "Second?"}, id=id)
        await a.replied(await a.sends("PING"), "PONG")
        await b.replied(await b.sends("PING"), "PONG")
        errors = [frame["payload"]["code"] for conversation in (a, b) for frame in conversation.heard
                  if frame["type"] == "ERROR"]
        assert errors == ["CONFLICT"]
    assert await stored(Interruption.objects.count) == 1


async def test_processes_that_take_the_same_message_at_once_store_it_once(alice, settings):
    """Each thread is a process of its own here: its own connection, its own transaction."""
    settings.LIMITS = dataclasses.replace(Limits(), questions_per_minute=100)
    parsed = messages.parse(json.dumps({"type": "STUDENT_INTERRUPTION", "id": str(uuid.uuid4()), "payload": QUESTION}),
                            known=messages.STUDENT_MESSAGES)

    def one_process():
        try:
            (outcome,), _ = run_batch([questions.interruption(
                alice.reading_session.pk, parsed.payload, receipt=receipt_key(parsed))])
            return outcome
        finally:
            connections.close_all()

    replies = await asyncio.gather(*(asyncio.to_thread(one_process) for _ in range(6)))
    assert sorted(answer.repeated for answer in replies) == [False] + [True] * 5
    assert len({json.dumps(answer.payload, sort_keys=True) for answer in replies}) == 1
    assert await stored(Interruption.objects.count) == 1


async def test_one_bad_write_of_a_batch_fails_alone(alice, bob):
    """A write that breaks the transaction is run again by itself, and so are its neighbours."""
    def breaks(reading_session, batch):
        raise RuntimeError("disk on fire")

    def prefers(person, theme):
        frame = {"type": "SET_PREFERENCES", "id": str(uuid.uuid4()), "payload": {"theme": theme}}
        parsed = messages.parse(json.dumps(frame), known=messages.STUDENT_MESSAGES)
        return reading.preferences(person.reading_session.pk, parsed.payload, receipt=receipt_key(parsed))

    bad = dataclasses.replace(prefers(alice, "dark"), apply=breaks)
    outcomes, batch = await stored(run_batch, [prefers(alice, "dark"), bad, prefers(bob, "sepia")])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Reply", "RuntimeError", "Reply"]
    assert len(batch.pushes) == 2
    rows = await stored(lambda: dict(ReadingSession.objects.values_list("enrollment__nickname", "preferences")))
    assert rows == {"alice": {"theme": "dark"}, "bob": {"theme": "sepia"}, "mallory": {}}
    assert await stored(Receipt.objects.count) == 2


async def test_an_id_belongs_to_its_sender_and_a_refused_message_leaves_it_free(swift, serving_without_engine, alice, bob):
    async with reader(alice) as a, reader(bob) as b:
        id = str(uuid.uuid4())
        refused = await a.ask("Where?", id=id, context={"currentWordIndex": 10**6})
        assert refused["payload"]["code"] == "INVALID_POSITION"
        hers, his = await a.ask("Where?", id=id), await b.ask("Where?", id=id)
        assert hers["payload"]["interruptionId"] != his["payload"]["interruptionId"]
    assert await stored(Interruption.objects.count) == 2


async def test_a_teacher_s_id_is_not_answered_from_another_class(swift, serving_without_engine, carol, trent):
    await stored(trent.classroom.teachers.add, carol.user)
    async with room(carol) as here, room(dataclasses.replace(carol, classroom=trent.classroom)) as there, room(trent) as t:
        id = await here.sends("BROADCAST", {"text": "Good morning"})
        await here.replied(id, "DONE")
        await there.sends("BROADCAST", {"text": "Good morning"}, id=id)
        assert (await there.replied(id, "ERROR"))["payload"]["code"] == "CONFLICT"
        await t.sends("BROADCAST", {"text": "Good morning"}, id=id)  # another teacher's own id
        await t.replied(id, "DONE")
    classrooms = await stored(lambda: sorted(Broadcast.objects.values_list("classroom", flat=True)))
    assert classrooms == [carol.classroom.pk, trent.classroom.pk]


async def test_a_cancelled_or_answered_question_is_answered_with_what_it_came_to(swift, serving_without_engine, alice):
    async with reader(alice) as a:
        question = {"interruptionId": (await a.ask("What is a burrow?"))["payload"]["interruptionId"]}
        first = await a.replied(await a.sends("CANCEL_INTERRUPTION", question), "INTERRUPTION_ERROR")
        second = await a.replied(await a.sends("CANCEL_INTERRUPTION", question), "INTERRUPTION_ERROR")
        assert first["payload"] == second["payload"] and first["payload"]["errorCode"] == "cancelled"
        assert first["version"] == 2 and "version" not in second
    assert (await stored(ReadingSession.objects.get, pk=alice.reading_session.pk)).version == 2
