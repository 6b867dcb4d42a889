"""The tutor on an OpenAI-compatible server, whatever that server does: protocol.md's last table."""

import asyncio
import email.utils
import socket
import time
from contextlib import aclosing

import pytest

from sessions.llm import MAX_MODEL_NAME, MAX_REPLY_BYTES, Finish, ProviderError, get_provider
from tests.passages import ask
from tests.scripted_model import ScriptedModel

QUESTION = ask("What is a burrow?")


@pytest.fixture
def model():
    with ScriptedModel() as model:
        model.says("A burrow ", "is a home ", "dug in ", "the ground.")
        yield model


@pytest.fixture
async def tutor(model):
    tutor = make_tutor(model.url)
    yield tutor
    await tutor.close()


def make_tutor(url, **options):
    return get_provider("openai", api_key="test-key", base_url=url, model="tutor-1", **options)


async def read(tutor, request=QUESTION):
    """Return the reply's text and its finish."""
    async with aclosing(tutor.stream(request)) as stream:
        items = [item async for item in stream]
    assert [isinstance(item, Finish) for item in items] == [False] * (len(items) - 1) + [True]
    return "".join(item.text for item in items[:-1]), items[-1]


async def failure(tutor):
    """Return the error a question ends in."""
    with pytest.raises(ProviderError) as caught:
        await read(tutor)
    return caught.value


async def test_answer_with_its_token_counts(tutor, model):
    text, finish = await read(tutor)
    assert text == "A burrow is a home dug in the ground."
    assert finish == Finish(reason="stop", model="scripted-1", prompt_tokens=321, completion_tokens=4)
    [request] = model.requests
    assert request.authorization == "Bearer test-key"
    assert request.body["model"] == "tutor-1"
    assert request.body["stream"] is True
    assert request.question == "What is a burrow?"
    assert "tools" not in request.body
    assert "user" not in request.body


async def test_server_without_token_counts(tutor, model):
    model.send_usage = False
    text, finish = await read(tutor)
    assert text == "A burrow is a home dug in the ground."
    assert (finish.prompt_tokens, finish.completion_tokens) == (None, None)


async def test_first_piece_comes_before_the_last_is_sent(tutor, model):
    model.holds()
    async with aclosing(tutor.stream(QUESTION)) as stream:
        assert (await anext(stream)).text == "A burrow "
        assert model.current == 1
        model.releases()
        rest = [item async for item in stream]
    assert "".join(item.text for item in rest[:-1]) == "is a home dug in the ground."


@pytest.mark.parametrize(
    "behaviour",
    ["empty", "empty_reply", "html", "not_sse", "choices_empty", "tool_calls", "odd_json", "reset"]
    + ["cut", "no_finish", "done_without_finish", "error_event", "not_json", "bad_bytes"]
    + ["500", "502", "503", "408", "endless_line"],
)
async def test_no_answer_but_worth_another_attempt(tutor, model, behaviour):
    model.behaves(behaviour)
    error = await failure(tutor)
    assert (error.code, error.retriable) == ("llm_unavailable", True)
    assert len(model.requests) == 1, "attempts belong to the engine"
    await model.ended(1)
    assert "burrow" not in str(error)


@pytest.mark.parametrize("behaviour", ["400", "401", "403", "404", "no_money"])
async def test_refused_by_the_server_is_not_tried_again(tutor, model, behaviour):
    model.behaves(behaviour)
    error = await failure(tutor)
    assert (error.code, error.retriable) == ("llm_unavailable", False)
    assert "test-key" not in str(error)


async def test_nobody_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        tutor = make_tutor(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        error = await failure(tutor)
    assert (error.code, error.retriable) == ("llm_unavailable", True)
    await tutor.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(5, 5.0), ("600", 600.0), (None, None), ("soon", None), ("-3", 0.0), ("nan", None)],
)
async def test_too_many_requests(tutor, model, header, seconds):
    model.behaves("429", retry_after=header)
    error = await failure(tutor)
    assert (error.code, error.retriable, error.retry_after) == ("busy", True, seconds)


async def test_too_many_requests_until_a_date(tutor, model):
    model.behaves("429", retry_after=email.utils.formatdate(time.time() + 60, usegmt=True))
    error = await failure(tutor)
    assert 30 < error.retry_after <= 60


@pytest.mark.parametrize("behaviour", ["silent", "comments"])
async def test_first_token_does_not_come(model, behaviour):
    tutor = make_tutor(model.url, first_token_timeout=0.2)
    model.behaves(behaviour)
    error = await failure(tutor)
    assert (error.code, error.retriable) == ("timeout", True)
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected"
    await tutor.close()


async def test_answer_comes_to_a_halt(model):
    tutor = make_tutor(model.url, idle_timeout=0.2)
    model.behaves("stall")
    error = await failure(tutor)
    assert (error.code, error.retriable) == ("timeout", True)
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected"
    await tutor.close()


async def test_slow_reader_is_not_the_servers_fault(model):
    tutor = make_tutor(model.url, idle_timeout=0.2)
    model.holds()
    async with aclosing(tutor.stream(QUESTION)) as stream:
        await anext(stream)
        await asyncio.sleep(0.3)
        model.releases()
        rest = [item async for item in stream]
    assert rest[-1].reason == "stop"
    await tutor.close()


async def test_drip_without_end_stops_with_the_callers_deadline(tutor, model):
    model.behaves("drip")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await read(tutor)
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected"


async def test_cancelled_before_the_first_token(tutor, model):
    model.behaves("silent")
    task = asyncio.create_task(read(tutor))
    await model.asked(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected"


async def test_huge_reply_is_stopped(tutor, model):
    model.behaves("huge")
    text, finish = await read(tutor)
    assert len(text.encode()) == MAX_REPLY_BYTES
    assert (finish.reason, finish.truncated) == ("length", True)
    await model.ended(1)
    assert model.requests[0].outcome == "disconnected", "the rest of the megabyte is not fetched"


async def test_limit_never_cuts_a_character(tutor, model):
    model.says("x", *["é" * 100] * 50)
    text, finish = await read(tutor)
    assert text == "x" + "é" * ((MAX_REPLY_BYTES - 1) // 2)
    assert finish.truncated


async def test_models_own_limit(tutor, model):
    model.behaves("length")
    text, finish = await read(tutor)
    assert text == "A burrow is a home dug in the ground."
    assert (finish.reason, finish.truncated) == ("length", True)


async def test_characters_split_over_chunks(tutor, model):
    model.says("Ein Fuchsbau — ", "日本語 “é” 🦊")
    model.behaves("split_utf8")
    text, finish = await read(tutor)
    assert text == "Ein Fuchsbau — 日本語 “é” 🦊"
    assert finish.reason == "stop"


async def test_what_no_database_takes_is_left_out(tutor, model):
    model.says("A \x00burrow is", "\x00", " a home.")
    model.behaves("odd_name")
    text, finish = await read(tutor)
    assert text == "A burrow is a home."
    assert finish.model.startswith("/srv/models/very-long/") and len(finish.model) == MAX_MODEL_NAME


@pytest.mark.parametrize("behaviour", ["refusal", "content_filter"])
async def test_refusal_is_a_finish_of_its_own(tutor, model, behaviour):
    model.behaves(behaviour)
    _, finish = await read(tutor)
    assert finish.reason == behaviour


async def test_many_at_once_are_really_parallel(tutor, model):
    model.holds()
    tasks = [asyncio.create_task(read(tutor)) for _ in range(20)]
    await model.asked(20)
    assert model.current == 20
    model.releases()
    assert {text for text, _ in await asyncio.gather(*tasks)} == {"A burrow is a home dug in the ground."}
    assert model.peak == 20
