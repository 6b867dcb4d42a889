"""Which tutor engines live: the row that each writes, and `manage.py tutor_status`, which reads them."""

import asyncio
import io
import os
import re
import signal
import socket
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from sessions.models import Engine
from sessions.services import engines as rows
from sessions.tutor import TutorEngine
from tests.engines import engines
from tests.people import PATIENCE, browser, queued, room, stored
from tests.processes import needs_servers, site


async def engine_rows(count):
    """Wait until so many engines have a row; return them."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await stored(lambda: list(Engine.objects.order_by("started_at")))) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def status():
    """Return the exit status of `manage.py tutor_status` and what it prints."""
    said = io.StringIO()
    try:
        call_command("tutor_status", stdout=said)
    except SystemExit as end:
        return end.code, said.getvalue()
    return 0, said.getvalue()


def silent(**ages):
    """Make the row of an engine that was heard of so long ago."""
    then = timezone.now() - timedelta(**ages)
    return Engine.objects.create(host="elsewhere", pid=7, started_at=then, last_seen=then)


async def test_an_engine_says_that_it_lives_and_when_it_leaves(school):
    async with engines(2):
        first, second = await engine_rows(2)
        assert (first.host, first.pid) == (socket.gethostname(), os.getpid()) and first.pk != second.pk
        assert len((await stored(rows.tutor_status)).alive) == 2
    await engine_rows(0)


async def test_it_tells_what_it_answers_and_that_it_ends(alice, model, quick):
    model.holds()
    await stored(queued, alice)
    engine = TutorEngine()
    working = asyncio.create_task(engine.run())
    await model.asked(1, timeout=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while not (await engine_rows(1))[0].running:  # noqa: ASYNC110 - the next beat tells
            await asyncio.sleep(0.01)
    ending = asyncio.create_task(engine.stop(drain=20))
    async with asyncio.timeout(PATIENCE):
        while not (await engine_rows(1))[0].draining:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not (await stored(rows.tutor_status)).alive
    code, said = await stored(status)
    assert "0 of 1 engines take questions" in said and "ending, 1 running" in said
    assert code == 0  # nothing waits
    model.releases()
    await ending
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await engine_rows(0)


async def test_a_beat_that_fails_stops_nothing(alice, model, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise OSError("the table is away")

    monkeypatch.setattr(rows, "beat", refuse)
    monkeypatch.setattr(rows, "leave", refuse)
    async with engines() as (engine,):
        row = await stored(queued, alice)
        engine.wake()
        await model.asked(1, timeout=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while await stored(lambda: type(row).objects.get(pk=row.pk).state) != "answered":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert "could not say that it lives" in caplog.text and "row stays behind" in caplog.text


def test_questions_that_wait_for_nobody_are_a_failure(alice):
    assert status() == (0, "0 waiting, 0 being answered, the oldest waits for 0 s\n0 of 0 engines take questions\n")
    queued(alice, created_at=timezone.now() - timedelta(seconds=90))
    silent(minutes=2)
    code, said = status()
    assert code == 1
    assert "1 waiting, 0 being answered, the oldest waits for 90 s" in said
    assert "0 of 1 engines" in said and "elsewhere 7  silent for 120 s" in said
    silent(seconds=1)
    code, said = status()
    assert code == 0 and "1 of 2 engines take questions" in said and "elsewhere 7  0 running" in said


def test_rows_of_the_long_dead_are_cleared_away(school):
    gone, lately = silent(hours=2), silent(minutes=5)
    rows.beat(Engine().pk, host="here", pid=1, running=0, draining=False)
    assert {row.host for row in Engine.objects.all()} == {"elsewhere", "here"}
    assert Engine.objects.filter(pk=lately.pk).exists() and not Engine.objects.filter(pk=gone.pk).exists()


@needs_servers
async def test_a_killed_worker_falls_silent(alice, model, tmp_path):
    async with site(model, tmp_path, DURATION_SCALE="0.1") as processes:
        worker = await processes.worker()
        await engine_rows(1)
        worker.signal(signal.SIGKILL)
        await worker.ended()
        await stored(queued, alice)
        async with asyncio.timeout(PATIENCE):
            while True:
                command = await processes.command("tutor_status")
                if await command.ended() == 1:
                    break
        assert "1 waiting" in command.said and "silent for" in command.said


@pytest.mark.django_db
def test_the_status_costs_two_queries(django_assert_num_queries):
    with django_assert_num_queries(2 if connection.vendor == "sqlite" else 3):  # PostgreSQL is asked for its clock
        rows.tutor_status()


# ---------------------------------------------------------------- what a teacher sees of it


async def test_the_room_is_told_that_nobody_answers_and_that_somebody_does_again(swift, serving_without_engine, carol):
    async with room(carol) as before:
        assert before.snapshot["payload"]["tutorRunning"] is False
        async with engines():
            assert (await before.hears("TUTOR_STATUS"))["payload"] == {"running": True}
            async with room(carol) as meanwhile:
                assert meanwhile.snapshot["payload"]["tutorRunning"] is True
        assert (await before.hears("TUTOR_STATUS"))["payload"] == {"running": False}
        answer = await before.replied(await before.sends("RESTORE"), "CLASSROOM_STATE")
        assert answer["payload"]["tutorRunning"] is False
    page = await stored(lambda: browser(carol).get(f"/classes/{carol.classroom.pk}/").content.decode())
    assert re.search(r'id="no-tutor-notice" role="status">', page)


def test_the_room_says_nothing_while_a_tutor_runs(carol):
    silent(seconds=1)
    page = browser(carol).get(f"/classes/{carol.classroom.pk}/").content.decode()
    assert re.search(r'id="no-tutor-notice" role="status" hidden>', page)
