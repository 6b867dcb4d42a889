"""The real server and real workers as subprocesses on the tests' database, and a real client of theirs.

They are given the database of the running test, so its people can log in and its rows can be counted, and
are all dead when their context ends. The scripted model runs in the test's own process: it outlives every kill.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.people import Person

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds for what must come; starting Django on a busy machine takes a while


def on_servers() -> bool:
    """True in the run on PostgreSQL and Redis."""
    return connection.vendor == "postgresql" and bool(settings.REDIS_URLS)


needs_servers = pytest.mark.skipif(
    not on_servers(), reason="several processes need PostgreSQL (DATABASE_URL) and Redis (REDIS_URL)")


def database_url() -> str:
    """Return the address of the test's own database."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    login = ":".join(quote(part, safe="") for part in (found["USER"], found["PASSWORD"]) if part)
    host = quote(found["HOST"] or "localhost", safe="")  # a folder with a socket, perhaps
    return f"postgres://{login}@{host}:{found['PORT'] or 5432}/{found['NAME']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A running command; `said` is all it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self.said = ""
        self.over = asyncio.Event()  # it has ended, or at least closed what it prints to
        self.port = 0
        self.ready_at: datetime | None = None

    async def _read(self) -> None:
        while line := await self._process.stdout.readline():
            async with self._news:
                self.said += line.decode(errors="replace")
                self._news.notify_all()
        self.over.set()
        async with self._news:
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None and not self.over.is_set()

    async def prints(self, pattern: str) -> re.Match:
        """Wait until what it has printed matches."""
        async with asyncio.timeout(PATIENCE), self._news:
            while not (match := re.search(pattern, self.said)):
                assert not self._process.stdout.at_eof(), f"it ended without printing {pattern!r}:\n{self.said}"
                await self._news.wait()
        return match

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self.is_running:  # a signal to one that has just ended would take its exit status from the event loop
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
                self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Wait for the end; return the exit status, -9 after a kill."""
        async with asyncio.timeout(PATIENCE):
            status = await self._process.wait()
            await self._reading
        return status


class Site:
    """Starts processes with one environment; `directory` is where another release's code lies."""

    def __init__(self, stack: contextlib.AsyncExitStack, **environment: str):
        self._stack = stack
        self.environment = environment

    async def start(self, *command: str, directory: Path = ROOT, **environment: str) -> Process:
        """Start any program."""
        process = Process(await asyncio.create_subprocess_exec(
            *command, cwd=directory, env={**os.environ, **self.environment, **environment},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT))
        self._stack.push_async_callback(process.kill)
        return process

    async def serve(self, directory: Path = ROOT, **environment: str) -> Process:
        """Start `manage.py serve`; return when it accepts connections at `port`."""
        process = await self.start(sys.executable, "manage.py", "serve", "--port", "0", directory=directory, **environment)
        process.port = int((await process.prints(r"is at http://\S+:(\d+)/"))[1])
        process.ready_at = timezone.now()
        return process

    async def uvicorn(self, directory: Path = ROOT, **environment: str) -> Process:
        """Start the application under uvicorn, as docs/operations.md says; return when it accepts connections at `port`."""
        port = free_port()
        drain = max(1, round(25 * float((self.environment | environment)["DURATION_SCALE"])))
        process = await self.start(
            sys.executable, "-m", "uvicorn", "readerai_site.asgi:application", "--port", str(port), "--no-proxy-headers",
            "--ws", "readerai_site.uvicorn_protocol:WebSocketProtocol", "--ws-per-message-deflate", "false",
            "--ws-ping-interval", "0", "--ws-max-size", "65536", "--timeout-graceful-shutdown", str(drain),
            "--no-access-log", directory=directory, **environment)
        await process.prints("Uvicorn running on")
        process.port = port
        process.ready_at = timezone.now()
        return process

    async def worker(self, directory: Path = ROOT, **environment: str) -> Process:
        """Start `manage.py runworker tutor`; return when it runs."""
        process = await self.start(sys.executable, "manage.py", "runworker", "tutor", directory=directory, **environment)
        await process.prints("Running worker")
        process.ready_at = timezone.now()
        return process

    async def command(self, *arguments: str, directory: Path = ROOT, **environment: str) -> Process:
        """Start any other command of `manage.py`."""
        return await self.start(sys.executable, "manage.py", *arguments, directory=directory, **environment)

    async def redis(self, port: int, directory: Path) -> Process:
        """Start a private Redis that keeps nothing; skip the test where there is none to start."""
        if not shutil.which("redis-server"):
            pytest.skip("redis-server is not installed here, so none can be stopped and started")
        process = await self.start(
            "redis-server", "--port", str(port), "--save", "", "--dir", str(directory), "--bind", "127.0.0.1")
        await process.prints("Ready to accept connections")
        return process


@contextlib.asynccontextmanager
async def site(model, directory: Path, *, kind: type[Site] = Site, **environment: str) -> AsyncIterator[Site]:
    """Yield what starts processes on the test's database; every one is killed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        yield kind(stack, **{
            "DATABASE_URL": database_url(), "REDIS_URL": ",".join(settings.REDIS_URLS), "DATA_DIR": str(directory),
            "REDIS_PREFIX": f"test-{uuid.uuid4().hex[:8]}", "SECRET_KEY": settings.SECRET_KEY,
            "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test", "TUTOR_PROVIDER": "openai",
            "LLM_MAX_CONCURRENT": "4", "DURATION_SCALE": "0.1", "LOG_LEVEL": "INFO", "PYTHONUNBUFFERED": "1",
            "FAILPOINT": "", "HOST": "127.0.0.1", **environment})


class Client:
    """A student's page as far as its questions go: it resends, under the same id, what was not acknowledged."""

    def __init__(self, person: Person, *questions: str):
        self.person = person
        self.waiting = {str(uuid.uuid4()): question for question in questions}
        self.acknowledged: dict[str, str] = {}  # message id -> interruption id
        self.snapshot: dict[str, Any] = {}

    @contextlib.asynccontextmanager
    async def socket(self, port: int, *, ticket: str = "") -> AsyncIterator[Any]:
        """Open a socket, with the log-in's cookie or with a ticket, and take its snapshot."""
        path = f"ws://127.0.0.1:{port}/ws/sessions/{self.person.reading_session.pk}/"
        options = {"open_timeout": PATIENCE, "ping_interval": None, "compression": None}
        if not ticket:
            options |= {"origin": f"http://127.0.0.1:{port}",
                        "additional_headers": {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.person.cookie}"}}
        async with connect(path + (f"?ticket={ticket}" if ticket else ""), **options) as socket:
            self.snapshot = (await self.hears(socket, "SESSION_RESTORED"))["payload"]
            yield socket

    @staticmethod
    async def hears(socket, *types: str) -> dict[str, Any]:
        """Return the next frame of one of these types."""
        async with asyncio.timeout(PATIENCE):
            while (frame := json.loads(await socket.recv()))["type"] not in types:
                pass
        return frame

    async def ask(self, socket, question: str) -> str:
        """Ask on an open socket; return the interruption's id when it is acknowledged."""
        id = str(uuid.uuid4())
        await socket.send(json.dumps({"type": "STUDENT_INTERRUPTION", "id": id, "payload": {"questionText": question}}))
        acknowledged = await self.hears(socket, "INTERRUPTION_ACKNOWLEDGED")
        assert acknowledged["inReplyTo"] == id
        return acknowledged["payload"]["interruptionId"]

    async def insist(self, port: int) -> None:
        """Send what was not acknowledged until it is, or until the server is gone."""
        with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError, EOFError):
            async with self.socket(port) as socket:
                for id, question in self.waiting.items():
                    await socket.send(json.dumps(
                        {"type": "STUDENT_INTERRUPTION", "id": id, "payload": {"questionText": question}}))
                while self.waiting:
                    frame = await self.hears(socket, "INTERRUPTION_ACKNOWLEDGED", "ERROR")
                    assert frame["type"] != "ERROR", frame
                    if self.waiting.pop(frame["inReplyTo"], None):
                        self.acknowledged[frame["inReplyTo"]] = frame["payload"]["interruptionId"]
