"""Clients that hurt only themselves: non-readers, floods, broken frames, slow handshakes, huge bodies."""

import asyncio
import http.client
import os
import socket
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosedError

from readerai_site.connections import WebSocketProtocol
from readerai_site.durations import LAST_BYTES, UNSENT_BYTES
from tests.served import PATIENCE, UPGRADE, assert_echoes, deaf_socket, serving


async def test_who_takes_nothing_is_cut_off_and_memory_returns(tmp_path):
    async with serving(tmp_path, slow_reader=1.0) as served, served.socket() as alice:
        await assert_echoes(alice)
        held = [await served.memory()]
        for _ in range(2):
            deaf = [await asyncio.to_thread(deaf_socket, served.port, "/flood") for _ in range(20)]
            held.append(await served.memory())
            await assert_echoes(alice)
            for _ in deaf:
                await served.prints("flood ended")
            after = await served.memory()
            for peer in deaf:
                peer.close()
            assert after - held[0] < 4_000
        # Each may hold a transport's buffer and a message, never what it was sent in the meantime; and the next twenty
        # are given what the first gave back.
        assert held[1] - held[0] < 20 * 500
        assert held[2] - held[1] < 20 * 100


def held_by_the_kernel(port, peer):
    """Bytes that the kernel has for this client of that server and that it has not acknowledged."""
    with open("/proc/net/tcp") as connections:
        for line in connections:
            _, local, remote, _, queues, *_ = line.split()
            if local.endswith(f":{port:04X}") and remote.endswith(f":{peer.getsockname()[1]:04X}"):
                return int(queues.partition(":")[0], 16)


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="only Linux shows what the kernel holds")
async def test_the_kernel_holds_little_for_who_takes_nothing(tmp_path):
    async with serving(tmp_path) as served, served.socket() as alice, asyncio.timeout(PATIENCE):
        with await asyncio.to_thread(deaf_socket, served.port, "/flood") as peer:
            held = 0
            while held != (held := held_by_the_kernel(served.port, peer)) or held < UNSENT_BYTES // 2:
                await assert_echoes(alice)
            assert held < 3 * UNSENT_BYTES


async def test_who_reads_slowly_but_reads_is_kept(tmp_path):
    async with serving(tmp_path, slow_reader=1.0) as served:
        peer = await asyncio.to_thread(deaf_socket, served.port, "/flood")
        taken = 0
        loop = asyncio.get_running_loop()
        end = loop.time() + 3  # three times what a peer that takes nothing would be given
        while loop.time() < end:
            taken += len(await asyncio.to_thread(peer.recv, 65_536))
        peer.close()
        assert taken > 1_000_000
        await served.prints("flood ended")


async def test_a_flood_of_input_waits_outside(tmp_path):
    async with serving(tmp_path) as served, served.socket() as alice:
        await assert_echoes(alice)
        before = await served.memory()
        mallory = await served.socket("/deaf", write_limit=1024)
        sent = 0
        try:
            while sent < 2_000:
                await asyncio.wait_for(mallory.send("x" * 60_000), 1)
                sent += 1
        except TimeoutError:
            pass  # the server does not read further
        assert sent < 2_000
        await assert_echoes(alice)
        assert await served.memory() - before < 20_000
        mallory.transport.abort()


async def test_who_talks_on_after_the_close_frame_is_cut_off(tmp_path):
    async with serving(tmp_path) as served, served.socket() as alice:
        mallory = await asyncio.to_thread(deaf_socket, served.port, "/returns")
        with pytest.raises(ConnectionError):  # five seconds would be waited for our own close frame, and all of this read
            while True:
                await asyncio.to_thread(mallory.sendall, b"\x81\x81\0\0\0\0x" * (LAST_BYTES // 7))
        mallory.close()
        await assert_echoes(alice)


@pytest.mark.parametrize("path", ["/echo", "/deaf"])
async def test_a_frame_of_64_kib_passes_and_one_byte_more_ends_the_socket(tmp_path, path):
    async with serving(tmp_path) as served, served.socket() as alice:
        await assert_echoes(alice, "x" * 65_536)
        async with served.socket(path) as mallory:
            with pytest.raises(ConnectionClosedError):
                await mallory.send("x" * 65_537)
                await mallory.recv()
        async with served.socket(path) as mallory:
            with pytest.raises(ConnectionClosedError):  # whole frames, too large a message
                await mallory.send(["x" * 40_000, "x" * 40_000])
                await mallory.recv()
        await assert_echoes(alice)


async def test_the_application_may_send_more_than_a_client(tmp_path):
    """A room's snapshot is larger than anything that a page says."""
    async with serving(tmp_path) as served, served.socket() as alice, served.socket() as bob:
        await alice.send("a large one")
        assert len(await asyncio.wait_for(alice.recv(), PATIENCE)) == 500_000
        await assert_echoes(alice, "x" * 65_536)
        with pytest.raises(ConnectionClosedError):  # the limit on what comes in stands
            await bob.send("a large one")
            await bob.recv()
            await bob.send("x" * 65_537)
            await bob.recv()
        await assert_echoes(alice)


async def test_invalid_utf8_ends_only_its_socket(tmp_path):
    async with serving(tmp_path) as served, served.socket() as alice, served.socket() as mallory:
        with pytest.raises(ConnectionClosedError):
            await mallory.send(b"\xff\xfe", text=True)
            await mallory.recv()
        await assert_echoes(alice)


async def test_an_application_may_close_with_any_code(tmp_path):
    async with serving(tmp_path) as served:
        for text, code in [("close with 1013", 1013), ("fail", 1011)]:
            async with served.socket() as alice:
                await alice.send(text)
                await asyncio.wait_for(alice.wait_closed(), PATIENCE)
                assert alice.close_code == code
        async with served.socket("/returns") as alice:
            await asyncio.wait_for(alice.wait_closed(), PATIENCE)
            assert alice.close_code == 1000


async def test_a_handshake_has_an_end(tmp_path):
    async with serving(tmp_path, handshake=1.0) as served:
        half = socket.create_connection(("127.0.0.1", served.port))
        half.sendall(b"GET /echo HTTP/1.1\r\nUpgr")  # a client on a bad line: the others do not wait for it
        refused = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
        refused.request("GET", "/never", headers=UPGRADE)
        with pytest.raises(OSError):  # closed or reset
            await asyncio.to_thread(refused.getresponse)
        async with served.socket() as alice:
            await assert_echoes(alice)
        headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        half.sendall(headers.removeprefix("Upgr").encode() + b"Host: localhost\r\n\r\n")
        assert await asyncio.to_thread(half.recv, 12) == b"HTTP/1.1 101"
        half.close()


async def test_a_body_that_no_page_takes_is_refused(tmp_path):
    async with serving(tmp_path) as served:
        before = await served.memory()
        assert (await served.get("/body", body=b"x" * 900_000))[2] == "900000"
        status, _headers, text = await served.get("/body", body=b"x" * 30_000_000)
        assert status == 413 and "too large" in text
        status, _headers, _text = await served.get("/body", body=iter([b"x" * 1_000_000] * 30))
        assert status == 413
        assert await served.memory() - before < 10_000


def test_who_waits_to_send_is_woken_though_more_was_written_meanwhile(monkeypatch):
    """A close frame or another task's message finds the buffer full a second time, and Twisted says so again."""
    monkeypatch.setattr(WebSocketProtocol, "hold", lambda self, reason: None)
    monkeypatch.setattr(WebSocketProtocol, "release", lambda self, reason: None)
    protocol = WebSocketProtocol()
    protocol.server = SimpleNamespace(watch=lambda protocol: None)
    protocol.pauseProducing()
    waited_for = protocol.writable
    protocol.pauseProducing()
    protocol.resumeProducing()
    assert waited_for.is_set() and protocol.writable is None
