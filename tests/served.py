"""`manage.py serve` as a subprocess on a free port, serving `tests.echo_app`: a helper of the server's tests."""

import asyncio
import base64
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20


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


async def assert_echoes(alice, text="still here"):
    """Alice's socket still gets back what she sends."""
    await alice.send(text)
    assert await asyncio.wait_for(alice.recv(), PATIENCE) == text


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}


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
