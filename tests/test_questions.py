"""The way of a question, told as conversations through the real ASGI application."""

from sessions.models import Interruption
from tests.people import reader, room, stored


async def test_a_question_is_acknowledged_answered_and_cited(serving, alice, carol, model):
    model.says("A pangram has ", "every letter: “contains every letter of the alphabet” [¶2].")
    async with reader(alice) as a, room(carol) as c:
        acknowledged = await a.ask("What is a pangram?", context={"currentWordIndex": 38})
        assert acknowledged["payload"]["queuePosition"] == 1
        assert acknowledged["payload"]["paragraph"] == 2
        assert (await a.hears("PAUSE_AUDIO"))["payload"]["atWordIndex"] == 38
        opened = await c.hears("INTERRUPTION_OPENED")
        assert opened["payload"]["interruption"]["nickname"] == "alice"
        delta = await a.hears("INTERRUPTION_RESPONSE_DELTA")
        assert delta["payload"]["fromChar"] == 0 and delta["payload"]["text"].startswith("A pangram has ")
        response = await a.hears("INTERRUPTION_RESPONSE")
        assert response["payload"]["responseText"] == (
            "A pangram has every letter: “contains every letter of the alphabet” [¶2].")
        assert response["version"] == acknowledged["version"] + 1
        (citation,) = response["payload"]["citations"]
        assert citation["verified"] and citation["paragraph"] == 2
        answered = await c.hears("INTERRUPTION_ANSWERED")
        assert answered["payload"]["interruption"]["responseText"] == response["payload"]["responseText"]
    row = await stored(Interruption.objects.get)
    assert (row.state, row.attempt, row.provider) == ("answered", 1, "openai")


async def test_a_question_reaches_only_her_session(serving, alice, bob, model):
    model.says("A burrow ", "is a home.")
    async with reader(alice) as a, reader(bob) as b:
        await a.ask("What is a burrow?")
        assert await a.answer() == "A burrow is a home."
        assert await b.hears_nothing()


async def test_the_passage_helper_answers_without_a_model(serving, alice):
    async with reader(alice) as a:
        await a.ask("What is a pangram?", context={"currentWordIndex": 38})
        response = (await a.hears("INTERRUPTION_RESPONSE"))["payload"]
        assert response["provider"] == "passage_helper"
        assert any(citation["verified"] for citation in response["citations"])
