"""`manage.py serve` from outside: how it starts, refuses to start, and stops."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from readerai_site.listening import CannotListen, open_sockets
from tests.served import PATIENCE, ROOT, assert_echoes, environment, run, serving

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


async def test_an_application_that_sends_on_after_1012_hears_of_the_end(tmp_path):
    async with serving(tmp_path) as served, served.socket("/flood") as alice:
        await alice.recv()
        served.signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(alice.recv(), PATIENCE)
        assert alice.close_code == 1012
        assert await served.status() == 0
        said = (await served.process.stdout.read()).decode()
        assert "flood ended" in said and "An application failed" not in said


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
