"""Signal 9 at the worst moments, with many questions under way: nothing acknowledged is lost, nothing is answered twice.

Each kill is counted by three witnesses: what the clients were told, the rows, and the model's own list of calls.
"""

import asyncio
import signal
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from sessions.models import Interruption, ReadingSession, Receipt
from sessions.services import access
from tests.people import seat, stored
from tests.processes import PATIENCE, Client, needs_servers, on_servers, site

STUDENTS, EACH = 4, 4
TUTOR_FAILPOINTS = ["before_claim:3", "after_claim:3", "mid_stream:25", "before_final_commit:3", "after_final_commit:3"]
BATCH_FAILPOINTS = ["before_batch_commit:2", "after_batch_commit:2"]


@pytest.fixture
def clients(carol, story):
    """Sixteen questions of four students."""
    return [Client(seat(carol.classroom, f"reader {student}", story),
                   *[f"What does {student}-{number} mean?" for number in range(EACH)]) for student in range(STUDENTS)]


@pytest.fixture
def model(model):
    model.says(*[f"word{number} " for number in range(10)])
    model.pace = 0.01
    return model


async def ask(clients, port):
    await asyncio.gather(*[client.insist(port) for client in clients])


async def all_ended():
    """Wait until no question is open any more."""
    async with asyncio.timeout(PATIENCE):
        while await stored(Interruption.objects.filter(state__in=Interruption.OPEN).exists):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def assert_nothing_lost(clients, model, port, *, successor):
    """Count, after `successor` took over: one row and one outcome for each acknowledged question, at most three calls."""
    await all_ended()
    assert [client.waiting for client in clients] == [{}] * STUDENTS
    rows = {str(row.pk): row for row in await stored(lambda: list(Interruption.objects.all()))}
    acknowledged = [id for client in clients for id in client.acknowledged.values()]
    assert len(acknowledged) == len(set(acknowledged)) == STUDENTS * EACH
    assert set(acknowledged) == set(rows), "acknowledged and stored are not the same"
    assert await stored(Receipt.objects.count) == len(rows)
    states = {id: row.state for id, row in rows.items()}
    for row in rows.values():
        # Time may run out only where the successor started so late that a lease and an answer did not fit any more.
        late = row.claimed_at and row.deadline < successor.ready_at + timedelta(seconds=6)
        assert row.state == "answered" or (late and row.error_code == "timeout"), (row.state, row.error_code, row.attempt)
    # Every question and every outcome took one number of its session: no question had two outcomes.
    versions = await stored(lambda: list(ReadingSession.objects.filter(version__gt=0).values_list("version", flat=True)))
    assert versions == [2 * EACH] * STUDENTS
    calls = Counter(request.question for request in model.requests)
    assert set(calls) >= {row.question_text for row in rows.values() if row.state == "answered"}
    assert max(calls.values()) <= 3
    for client in clients:
        async with client.socket(port):
            shown = {view["interruptionId"]: view["state"] for view in client.snapshot["interruptions"]}
            assert shown == {id: states[id] for id in client.acknowledged.values()}


@pytest.mark.skipif(on_servers(), reason="on PostgreSQL and Redis workers answer; they are killed below")
@pytest.mark.parametrize("failpoint", TUTOR_FAILPOINTS + BATCH_FAILPOINTS)
async def test_the_server_is_killed(clients, model, tmp_path, failpoint):
    """With the engine in the same process: all is over at once, and the next start finds everything."""
    async with site(model, tmp_path, TUTOR_EMBEDDED="1") as processes:
        first = await processes.serve(FAILPOINT=failpoint)
        await ask(clients, first.port)
        assert await first.ended() == -signal.SIGKILL, first.said
        second = await processes.serve()
        await ask(clients, second.port)
        await assert_nothing_lost(clients, model, second.port, successor=second)


async def test_the_server_is_killed_while_answers_stream(clients, model, tmp_path):
    model.holds()
    async with site(model, tmp_path, TUTOR_EMBEDDED="1") as processes:
        first = await processes.serve()
        await ask(clients, first.port)
        await model.asked(4, timeout=PATIENCE)
        await first.kill()
        model.releases()
        second = await processes.serve()
        await assert_nothing_lost(clients, model, second.port, successor=second)


async def test_a_client_that_heard_nothing_before_the_kill_gets_its_acknowledgement(clients, model, tmp_path):
    """Committed, not acknowledged, killed: the same message again finds its receipt; a ticket opens the socket as well."""
    client = clients[0]
    async with site(model, tmp_path, TUTOR_EMBEDDED="1") as processes:
        first = await processes.serve(FAILPOINT="after_batch_commit")
        await client.insist(first.port)
        await first.ended()
        committed = await stored(lambda: {str(pk) for pk in Interruption.objects.values_list("pk", flat=True)})
        assert committed and not client.acknowledged
        second = await processes.serve()
        await client.insist(second.port)
        assert committed <= set(client.acknowledged.values())
        assert await stored(Interruption.objects.count) == EACH
        path = f"/ws/sessions/{client.person.reading_session.pk}/"
        ticket = await stored(access.issue_ticket, client.person.user, path=path)
        async with client.socket(second.port, ticket=ticket):
            assert {view["interruptionId"] for view in client.snapshot["interruptions"]} == set(client.acknowledged.values())
        await all_ended()


# ---------------------------------------------------------------- several processes


@needs_servers
@pytest.mark.parametrize("failpoint", TUTOR_FAILPOINTS)
async def test_a_worker_is_killed_and_another_takes_over(clients, model, tmp_path, failpoint):
    async with site(model, tmp_path, TUTOR_EMBEDDED="0") as processes:
        web, doomed = await asyncio.gather(processes.serve(), processes.worker(FAILPOINT=failpoint))
        await ask(clients, web.port)
        assert await doomed.ended() == -signal.SIGKILL, doomed.said
        successor = await processes.worker()
        await assert_nothing_lost(clients, model, web.port, successor=successor)


@needs_servers
@pytest.mark.parametrize("failpoint", BATCH_FAILPOINTS)
async def test_one_of_two_servers_is_killed(clients, model, tmp_path, failpoint):
    async with site(model, tmp_path, TUTOR_EMBEDDED="0") as processes:
        doomed, other, _ = await asyncio.gather(
            processes.serve(FAILPOINT=failpoint), processes.serve(), processes.worker())
        await ask(clients, doomed.port)
        assert await doomed.ended() == -signal.SIGKILL, doomed.said
        await ask(clients, other.port)
        await assert_nothing_lost(clients, model, other.port, successor=other)


@needs_servers
async def test_both_workers_are_killed_again_and_again(clients, model, tmp_path):
    """Without any failpoint, whenever it happens to be; a third start answers what is left."""
    model.pace = 0.05
    async with site(model, tmp_path, TUTOR_EMBEDDED="0") as processes:
        web, *workers = await asyncio.gather(processes.serve(), processes.worker(), processes.worker())
        await ask(clients, web.port)
        await model.asked(6, timeout=PATIENCE)
        await asyncio.gather(*[worker.kill() for worker in workers])
        calls = len(model.requests)
        successor = await processes.worker()
        await model.asked(calls + 3, timeout=PATIENCE)
        await assert_nothing_lost(clients, model, web.port, successor=successor)


@needs_servers
async def test_the_database_ends_every_connection_while_answers_stream(clients, model, tmp_path):
    """As when PostgreSQL restarts: what was acknowledged is answered, what is asked next is acknowledged at once."""
    model.holds()
    early, late = clients[:2], clients[2:]
    async with site(model, tmp_path, TUTOR_EMBEDDED="0", PGAPPNAME="dropped", DURATION_SCALE="1") as processes:
        web, worker = await asyncio.gather(processes.serve(), processes.worker())
        await ask(early, web.port)
        await model.asked(4, timeout=PATIENCE)
        assert await stored(drop_connections, "dropped")
        model.releases()
        await ask(late, web.port)
        await assert_nothing_lost(clients, model, web.port, successor=worker)
    assert len(model.requests) == STUDENTS * EACH


def drop_connections(application_name):
    """End the sessions that PostgreSQL has under this name; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [application_name])
        return cursor.rowcount
