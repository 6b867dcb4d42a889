"""Under uvicorn too a bad client hurts only itself, a peer that has gone is no error, and long histories open."""

import asyncio
import json
import signal
import socket

import pytest
from django.conf import settings
from django.utils import timezone
from websockets.asyncio.client import connect

from classrooms.services.roster import remove_student
from tests.people import queued, stored
from tests.processes import PATIENCE, Client, site

QUICK = {"TUTOR_EMBEDDED": "1", "LIMITS_SCALE": "100"}


@pytest.fixture
async def served(model, school, tmp_path):
    async with site(model, tmp_path, **QUICK) as processes:
        yield await processes.uvicorn()


def has_asked_much(person):
    """Make the person's snapshot so large that a kernel takes only a few of them."""
    for number in range(20):
        queued(person, f"What was {number}?", state="answered", response_text="word " * 1_600, response_type="text",
               provider="openai", finished_at=timezone.now())


async def stops_reading(person, port):
    """Open a socket that reads nothing any more and has asked for more than anyone will hold for it."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", port))
    deaf = await connect(
        f"ws://127.0.0.1:{port}/ws/sessions/{person.reading_session.pk}/", sock=peer, ping_interval=None, compression=None,
        origin=f"http://127.0.0.1:{port}", max_queue=1, open_timeout=PATIENCE,
        additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={person.cookie}"})
    await deaf.recv()
    deaf.transport.pause_reading()
    for _ in range(50):
        await deaf.send(json.dumps({"type": "RESTORE"}))
    return deaf


async def is_cut(deaf):
    """Wait until the server has ended the connection: what is sent there comes back as a reset."""
    async with asyncio.timeout(PATIENCE):
        while not deaf.transport.is_closing():
            deaf.transport.write(b"\x89\x80\0\0\0\0")  # a ping
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["serve", "uvicorn"])
async def test_a_reader_with_a_long_history_and_her_teacher_s_room_open(model, alice, carol, tmp_path, kind):
    """Snapshots of well over the 64 KiB that a client may send."""
    await stored(has_asked_much, alice)
    async with site(model, tmp_path, **QUICK) as processes:
        server = await getattr(processes, kind)()
        client = Client(alice)
        async with client.socket(server.port):
            assert len(json.dumps(client.snapshot)) > 100_000
        async with connect(f"ws://127.0.0.1:{server.port}/ws/classrooms/{carol.classroom.pk}/", open_timeout=PATIENCE,
                           origin=f"http://127.0.0.1:{server.port}", additional_headers={
                               "Cookie": f"{settings.SESSION_COOKIE_NAME}={carol.cookie}"}) as wire:
            assert len(await wire.recv()) > 100_000


async def test_who_takes_nothing_is_cut_off(served, alice, bob):
    await stored(has_asked_much, alice)
    deaf = await stops_reading(alice, served.port)
    await is_cut(deaf)
    client = Client(bob)
    async with client.socket(served.port) as other:
        await client.ask(other, "What is a burrow?")
    assert "Traceback" not in served.said


async def test_who_takes_nothing_and_is_removed_does_not_stay_connected(served, alice):
    await stored(has_asked_much, alice)
    deaf = await stops_reading(alice, served.port)
    await stored(remove_student, alice.enrollment)
    await is_cut(deaf)


async def test_who_hangs_up_before_the_answer_is_no_error(served, alice, bob):
    client = Client(alice)
    for number in range(10):
        async with client.socket(served.port) as wire:
            await wire.send(json.dumps({"type": "STUDENT_INTERRUPTION", "id": f"00000000-0000-4000-8000-{number:012}",
                                        "payload": {"questionText": f"What is burrow {number}?"}}))
            wire.transport.abort()
    client = Client(bob)
    async with client.socket(served.port) as wire:
        await client.ask(wire, "And a pangram?")
    served.signal(signal.SIGTERM)
    await served.ended()
    assert " failed." not in served.said and "Traceback" not in served.said
