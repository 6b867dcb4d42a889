"""The threads that keep a database connection: what they do when it breaks, and what they leave."""

import asyncio

import pytest
from django.db import OperationalError, connection, connections

from sessions.models import Interruption, ReadingSession, time_ordered_id
from sessions.threads import DatabaseThreads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def threads():
    threads = DatabaseThreads("tried", 3)
    yield threads
    await threads.close()


def failing(*errors):
    """Return a function that raises these and then answers, and the list of its calls."""
    calls, coming = [], list(errors)

    def ask():
        calls.append(connection.connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            if coming:
                raise coming.pop(0)
            return cursor.fetchone()[0]

    return ask, calls


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), OperationalError("a deadlock")])
async def test_what_fails_on_a_good_connection_is_not_asked_again(threads, error):
    ask, calls = failing(error)
    with pytest.raises(type(error)):
        await threads.run(ask)
    assert len(calls) == 1
    assert await threads.run(ask) == 1


async def test_what_finds_its_connection_broken_is_asked_once_more(threads):
    if connection.vendor == "sqlite":
        pytest.skip("nobody takes a file's connection away: PostgreSQL's are")
    one = DatabaseThreads("one")
    await one.run(lambda: connection.ensure_connection())
    calls = []

    def ask():
        calls.append(connection.connection)
        with connection.cursor() as cursor:
            if len(calls) == 1:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 7")
            return cursor.fetchone()[0]

    assert await one.run(ask) == 7
    assert len(calls) == 2 and calls[0] is not calls[1]
    await one.close()


async def test_the_connection_stays_and_goes_with_its_thread():
    threads, together = DatabaseThreads("tried", 3), asyncio.Barrier(3)
    loop = asyncio.get_running_loop()

    def held():
        connection.ensure_connection()
        asyncio.run_coroutine_threadsafe(together.wait(), loop).result()  # so that each of the three takes one
        return connections["default"], connections["default"].connection

    first, again = [dict(await asyncio.gather(*[threads.run(held) for _ in range(3)])) for _ in range(2)]
    assert first == again and len(first) == 3
    await threads.close()
    assert [wrapper.connection for wrapper in first] == [None] * 3


def test_ids_begin_with_the_time_and_are_uuids_of_version_7():
    ids = [time_ordered_id() for _ in range(1_000)]
    assert {id.version for id in ids} == {7} and {id.variant for id in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == 1_000
    assert [id.int >> 80 for id in ids] == sorted(id.int >> 80 for id in ids)
    assert ReadingSession._meta.pk.default is Interruption._meta.pk.default is time_ordered_id
