"""`manage.py runworker tutor` and several servers on Redis, as real processes."""

import asyncio
import signal

import pytest
import redis.asyncio

from sessions import events
from sessions.models import Interruption
from tests.engines import eventually
from tests.people import queued, stored
from tests.processes import PATIENCE, Client, free_port, needs_servers, site

ANSWER = "A burrow is a home dug in the ground."
# The sweep then comes once a minute: what happens sooner, a message has brought about.
HARDLY_ANY_SWEEP = {"DURATION_SCALE": "30"}


@pytest.fixture
def client(alice):
    return Client(alice)


async def row_of(id) -> Interruption:
    return await stored(Interruption.objects.get, pk=id)


async def test_it_refuses_to_start_without_redis(model, school, tmp_path):
    async with site(model, tmp_path, REDIS_URL="") as processes:
        worker = await processes.command("runworker", "tutor")
        assert await worker.ended() == 1
        assert "runworker needs REDIS_URL" in worker.said and "Traceback" not in worker.said


@needs_servers
async def test_a_question_wakes_it_and_its_answer_comes_back(client, model, tmp_path):
    async with site(model, tmp_path, TUTOR_EMBEDDED="0", **HARDLY_ANY_SWEEP) as processes:
        web, _ = await asyncio.gather(processes.serve(), processes.worker())
        async with client.socket(web.port) as socket:
            for number in range(3):
                await client.ask(socket, f"What is burrow {number}?")
                answer = await client.hears(socket, "INTERRUPTION_RESPONSE")
                assert answer["payload"]["responseText"] == ANSWER
    assert len(model.requests) == 3


@needs_servers
async def test_two_servers_share_a_reader(client, model, tmp_path):
    """Asked on one, streamed and answered on a socket of the other."""
    model.says("A burrow ", "is a home.")
    async with site(model, tmp_path, TUTOR_EMBEDDED="0", **HARDLY_ANY_SWEEP) as processes:
        one, other, _ = await asyncio.gather(processes.serve(), processes.serve(), processes.worker())
        async with client.socket(one.port) as asking, client.socket(other.port) as watching:
            id = await client.ask(asking, "What is a burrow?")
            for kind in ("INTERRUPTION_ACKNOWLEDGED", "INTERRUPTION_RESPONSE_DELTA", "INTERRUPTION_RESPONSE"):
                frame = await client.hears(watching, kind)
                assert frame["payload"]["interruptionId"] == id
            assert frame["payload"]["responseText"] == "A burrow is a home."
            assert (await client.hears(asking, "INTERRUPTION_RESPONSE"))["version"] == frame["version"]


@needs_servers
async def test_it_survives_the_end_of_redis_and_hears_the_next_one(client, model, tmp_path):
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    async with site(model, tmp_path, TUTOR_EMBEDDED="0", REDIS_URL=url, REDIS_PREFIX="test",
                    **HARDLY_ANY_SWEEP) as processes:
        server = await processes.redis(port, tmp_path)
        web, worker = await asyncio.gather(processes.serve(), processes.worker())
        async with client.socket(web.port) as socket:
            await client.ask(socket, "What is a burrow?")
            await client.hears(socket, "INTERRUPTION_RESPONSE")
        await server.kill()
        await worker.prints("Redis is away")
        await processes.redis(port, tmp_path)
        await subscribed(url, "test:channel:tutor")
        async with client.socket(web.port) as socket:
            await client.ask(socket, "And a pangram?")
            assert (await client.hears(socket, "INTERRUPTION_RESPONSE"))["payload"]["responseText"] == ANSWER


@needs_servers
async def test_questions_asked_while_redis_is_gone_are_answered(client, model, tmp_path):
    """The socket opened before; what it asks is stored and acknowledged, and the worker's sweep finds it."""
    port = free_port()
    async with site(model, tmp_path, TUTOR_EMBEDDED="0", REDIS_URL=f"redis://127.0.0.1:{port}",
                    DURATION_SCALE="1") as processes:
        server = await processes.redis(port, tmp_path)
        web, _ = await asyncio.gather(processes.serve(), processes.worker())
        async with client.socket(web.port) as socket:
            server.signal(signal.SIGSTOP)  # not even an error: it hangs
            first = await client.ask(socket, "What is a burrow?")
            second = await client.ask(socket, "And a pangram?")
            for id in (first, second):
                await eventually(await row_of(id), lambda row: row.state == "answered")
            server.signal(signal.SIGCONT)
            third = await client.ask(socket, "And a fox?")
            await eventually(await row_of(third), lambda row: row.state == "answered")
    assert len(model.requests) == 3


async def subscribed(url, topic):
    """Wait until a process hears this topic."""
    async with redis.asyncio.from_url(url) as connection, asyncio.timeout(PATIENCE):
        while not (await connection.pubsub_numsub(topic))[0][1]:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)


@needs_servers
async def test_sockets_outlive_redis_and_its_forgetting(client, model, tmp_path):
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    async with site(model, tmp_path, TUTOR_EMBEDDED="1", REDIS_URL=url, REDIS_PREFIX="test",
                    DURATION_SCALE="1") as processes:
        server = await processes.redis(port, tmp_path)
        web = await processes.serve()
        group = f"test:group:{events.session_group(client.person.reading_session.pk)}"
        async with client.socket(web.port) as socket:
            await server.kill()
            await web.prints("Redis is away")
            id = await client.ask(socket, "What is a burrow?")
            await eventually(await row_of(id), lambda row: row.state == "answered")
            async with client.socket(web.port):  # another page opens, and has the answer
                assert [view["state"] for view in client.snapshot["interruptions"]] == ["answered"]
            await processes.redis(port, tmp_path)
            await subscribed(url, group)
            await client.ask(socket, "And a pangram?")
            assert (await client.hears(socket, "INTERRUPTION_RESPONSE"))["payload"]["responseText"] == ANSWER
            async with redis.asyncio.from_url(url) as connection:
                await connection.flushall()
            await subscribed(url, group)
            await client.ask(socket, "And a fox?")
            assert (await client.hears(socket, "INTERRUPTION_RESPONSE"))["payload"]["responseText"] == ANSWER


@needs_servers
async def test_an_idle_socket_stays_open(client, model, tmp_path):
    """redis-py 8 ends the connection that a socket waits on after five seconds; the pin of 7 is there for this test."""
    async with site(model, tmp_path, TUTOR_EMBEDDED="1", DURATION_SCALE="1") as processes:
        web = await processes.serve()
        async with client.socket(web.port) as socket:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.wait_closed(), 20)
            await client.ask(socket, "What is a burrow?")
            await client.hears(socket, "INTERRUPTION_RESPONSE")


# ---------------------------------------------------------------- how it ends


@needs_servers
async def test_sigterm_lets_it_finish_what_it_has_begun(alice, model, tmp_path):
    model.holds()
    rows = [await stored(queued, alice, f"What is burrow {number}?") for number in range(3)]
    async with site(model, tmp_path, LLM_MAX_CONCURRENT="2") as processes:
        worker = await processes.worker()
        await model.asked(2, timeout=PATIENCE)
        worker.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(0.2, model.releases)
        assert await worker.ended() == 0
    states = sorted([(await row_of(row.pk)).state for row in rows])
    assert states == ["answered", "answered", "queued"]  # it claimed nothing more
    assert len(model.requests) == 2


@needs_servers
async def test_sigterm_gives_back_what_takes_too_long(alice, model, tmp_path):
    model.says(*[f"word{number} " for number in range(200)])
    model.pace = 0.05  # ten seconds, where the drain is two and a half
    row = await stored(queued, alice)
    async with site(model, tmp_path) as processes:
        worker = await processes.worker()
        await model.asked(1, timeout=PATIENCE)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        given_back = await row_of(row.pk)
        assert (given_back.state, given_back.lease_token, given_back.attempt) == ("queued", None, 1)
        assert "Attempt 1" not in worker.said  # it did not fail
        model.pace = 0
        await processes.worker()
        await eventually(row, lambda row: row.state == "answered")
