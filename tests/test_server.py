"""`manage.py serve` from outside: a subprocess, real sockets, signals. It serves `tests.echo_app`."""

import asyncio
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from readerai_site.listening import CannotListen, open_sockets

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}

pytestmark = pytest.mark.asyncio


class Served:
    """A running server: where it is, what it prints."""

    def __init__(self, process):
        self.process = process
        self.port = 0
        self.printed = []

    async def prints(self, pattern):
        """Return the match for the first line, from now on, that has `pattern`."""
        while True:
            line = (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)).decode()
            assert line, f"the server ended without printing {pattern!r}: {self.printed}"
            self.printed.append(line)
            if match := re.search(pattern, line):
                return match

    def socket(self, path="/echo", **options):
        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, ping_interval=None, **options)

    async def get(self, path, *, body=None):
        """Return (status, headers, text) of one HTTP request."""
        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.request("POST" if body is not None else "GET", path, body=body)
                response = connection.getresponse()
                return response.status, dict(response.getheaders()), response.read().decode()
            finally:
                connection.close()
        return await asyncio.to_thread(ask)

    async def memory(self):
        """Resident kilobytes of the server."""
        return int((await self.get("/memory"))[2])

    def signal(self, number):
        self.process.send_signal(number)

    async def status(self):
        """Wait for the end; return the exit status."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


def environment(directory, **durations):
    return {**os.environ, "ECHO_DIRECTORY": str(directory), "ECHO_DURATIONS": json.dumps(durations),
            "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def serving(directory, *arguments, extra=None, **durations):
    """Run the server on a free port; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.echo_app", "--port", "0", *arguments, cwd=ROOT,
        env={**environment(directory, **durations), **(extra or {})},
        stdout=asyncio.subprocess.PIPE, stderr=subprocess.STDOUT)
    served = Served(process)
    try:
        served.port = int((await served.prints(r"is at http://\S+:(\d+)/"))[1])
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def run(directory, *arguments, **extra):
    """Run the command to its end; return (status, stderr)."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.echo_app", *arguments], cwd=ROOT, timeout=PATIENCE,
        env={**environment(directory), **extra}, capture_output=True, text=True)
    return result.returncode, result.stderr


def deaf_socket(port, path):
    """A client that shakes hands and then never reads; its kernel buffer is small."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(PATIENCE)
    peer.connect(("127.0.0.1", port))
    headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
    assert peer.recv(12) == b"HTTP/1.1 101"
    return peer


async def assert_echoes(alice, text="still here"):
    await alice.send(text)
    assert await asyncio.wait_for(alice.recv(), PATIENCE) == text


# ---------------------------------------------------------------- starting


async def test_each_refusal_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = await asyncio.to_thread(run, tmp_path, "--port", str(port))
        assert (status, said.count("\n")) == (1, 1)
        assert f"Port {port} is already in use" in said and f"PORT={port + 1}" in said
    for arguments, words in [
        (["--host", "203.0.113.9"], "203.0.113.9 is not an address of this machine"),
        (["--host", "no such host"], "not an address of this machine"),
        (["--port", "70000"], "PORT must be a number"),
        (["--port", "http"], "PORT must be a number"),
    ]:
        status, said = await asyncio.to_thread(run, tmp_path, *arguments)
        assert (status, said.count("\n")) == (1, 1) and words in said
    status, said = await asyncio.to_thread(run, tmp_path, "--port", "0", ECHO_START="fail")
    assert status == 1 and "the database is away" in said


async def test_a_refused_port_is_one_sentence(monkeypatch):
    def refuse(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CannotListen, match="Port 80 may only be opened by an administrator"):
        open_sockets(host="127.0.0.1", port=80)


async def test_a_second_process_needs_redis(tmp_path):
    async with serving(tmp_path):
        status, said = await asyncio.to_thread(run, tmp_path, "--port", "0")
        assert status == 1 and "a second process needs REDIS_URL" in said
    async with serving(tmp_path) as after_the_kill:
        assert (await after_the_kill.get("/memory"))[0] == 200


async def test_a_second_process_under_uvicorn_needs_redis(tmp_path):
    async with serving(tmp_path):
        code = ("from tests.echo_app import configure; configure()\n"
                "import uvicorn; uvicorn.run('tests.echo_app:application', port=0)")
        result = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path),
            capture_output=True, text=True, timeout=PATIENCE)
        assert result.returncode == 1 and "a second process needs REDIS_URL" in result.stderr


async def test_the_network_is_told_where_to_go(tmp_path):
    async with serving(tmp_path, "--host", "0.0.0.0") as served:
        assert (await served.get("/memory"))[0] == 200
        while "Ctrl-C" not in served.printed[-1]:
            await served.prints("")
        tablets = [line for line in served.printed if "Tablets" in line]
        assert all(f":{served.port}/" in line and "127.0." not in line for line in tablets)


async def test_ipv6(tmp_path):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    async with serving(tmp_path, "--host", "::1") as served:
        assert "http://[::1]:" in served.printed[-1]
        async with connect(f"ws://[::1]:{served.port}/echo") as alice:
            await assert_echoes(alice)


async def test_no_server_header_and_no_query_in_any_log(tmp_path):
    async with serving(tmp_path, "--access-log") as served:
        _status, headers, _text = await served.get("/memory?ticket=secret-1")
        async with served.socket("/echo?ticket=secret-2") as alice:
            await alice.send("fail")  # the application's traceback is logged with its connection
            with pytest.raises(ConnectionClosed):
                await alice.recv()
            names = {*headers, *alice.response.headers}
        served.signal(signal.SIGTERM)
        assert await served.status() == 0
        said = "".join(served.printed) + (await served.process.stdout.read()).decode()
    assert "Server" not in names
    assert "asked to fail" in said and "/echo" in said and "secret" not in said


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_socket_hears_1012_and_the_port_is_free(tmp_path, number):
    async with serving(tmp_path) as served:
        readers = [await served.socket() for _ in range(20)]
        for reader in readers:
            await assert_echoes(reader)
        served.signal(number)
        await asyncio.wait_for(asyncio.gather(*[reader.wait_closed() for reader in readers]), PATIENCE)
        assert {reader.close_code for reader in readers} == {1012}
        assert await served.status() == 0
        said = (await served.process.stdout.read()).decode()
        assert "background stopped within 22.5" in said and "Traceback" not in said
        with socket.create_server(("127.0.0.1", served.port)):
            pass


async def test_a_running_request_is_answered_before_the_end(tmp_path):
    async with serving(tmp_path) as served:
        answer = asyncio.create_task(served.get("/until-stopped"))
        await served.prints("request waits")
        served.signal(signal.SIGTERM)
        status, headers, _text = await answer
        assert (status, headers["Connection"]) == (200, "close")
        assert await served.status() == 0


async def test_the_drain_has_an_end(tmp_path):
    async with serving(tmp_path, drain=1.0) as served:
        answer = asyncio.create_task(served.get("/for-ever"))
        await served.prints("request waits")
        served.signal(signal.SIGTERM)
        assert await served.status() == 0
        assert (await answer)[0] == 503


async def test_no_new_work_while_it_drains(tmp_path):
    async with serving(tmp_path, drain=5.0) as served:
        answer = asyncio.create_task(served.get("/for-ever"))
        await served.prints("request waits")
        async with served.socket() as alice:
            served.signal(signal.SIGTERM)
            await alice.wait_closed()
        with pytest.raises(OSError):
            await served.socket()
        answer.cancel()
        served.signal(signal.SIGINT)  # the second signal ends at once
        assert await served.status() == 130


# ---------------------------------------------------------------- clients that hurt only themselves


async def test_who_takes_nothing_is_cut_off_and_memory_returns(tmp_path):
    async with serving(tmp_path, slow_reader=1.0) as served, served.socket() as alice:
        await assert_echoes(alice)
        before = await served.memory()
        deaf = [await asyncio.to_thread(deaf_socket, served.port, "/flood") for _ in range(20)]
        during = await served.memory()
        await assert_echoes(alice)
        for _ in deaf:
            await served.prints("flood ended")
        after = await served.memory()
        for peer in deaf:
            peer.close()
        # Each may hold a transport's buffer and a message, never what it was sent in the meantime.
        assert during - before < 20 * 500
        assert after - before < 4_000


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
