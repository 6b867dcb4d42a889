"""Processor time of a question, an arrival and a reading page, without a server or a network around them.

    python -m tests.load.cpu [--students 500] [--rounds 20] [--profile batch]

Processor time depends less than any other on what else a machine does (with both cores busy it is up to four times as much),
so this is what to look at while making something faster; `bench` is what counts in the end. `batch` is a question's
transaction alone, with 64 questions in it and with one; `question` is all that the application does, from the text frame to
the two it answers; `arrival` is a socket's opening up to its snapshot; `page` is a reader's page through all of Django.
`--profile` runs one of them under cProfile instead.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

IN_FLIGHT = 64
WORDS = {"questionText": "What is the lighthouse keeper's lamp for?", "context": {"currentWordIndex": 20}}


def main() -> None:
    """Fill a school in a folder of its own and measure there."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.cpu", description=main.__doc__)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=20, help="times that everybody does it; the median counts")
    parser.add_argument("--profile", choices=["arrival", "page", "batch", "question"],
                        help="profile this and measure nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        os.environ |= {"DATA_DIR": folder, "LIMITS_SCALE": "100000", "LOG_LEVEL": "WARNING"}
        from tests.load import school  # reads the settings, so not before the folder is known
        school.call_command("migrate", verbosity=0)
        people = school.fill(students=options.students, class_size=30)
        asyncio.run(measure(people, options))


async def measure(people: dict, options: argparse.Namespace) -> None:
    from sessions.pulse import pulse
    from sessions.threads import close_lookups
    from sessions.writes import close_writer

    school = School(people)
    kinds: dict[str, Callable[[], Awaitable[int]]] = {
        "arrival": school.arrivals, "page": school.pages, "batch": school.batches, "question": school.questions}
    if options.profile:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        school.in_thread = _here  # where the profile sees it
        await kinds[options.profile]()
        with cProfile.Profile() as profile:
            for _ in range(options.rounds):
                await kinds[options.profile]()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    else:
        for name, kind in [*kinds.items(), ("batch of one", school.single_batches)]:
            await kind()
            taken = [await _processor_time(kind) for _ in range(options.rounds)]
            print(f"{name:14} {statistics.median(taken):8.1f} µs (least {min(taken):.1f})", flush=True)
    assert not pulse().rooms
    await school.leave()
    await close_writer()
    await close_lookups()


async def _here(function: Callable, *args):
    return function(*args)


async def _processor_time(kind: Callable[[], Awaitable[int]]) -> float:
    """Return the microseconds of processor time that each of what `kind` did took, all threads together."""
    began = time.process_time()
    done = await kind()
    return (time.process_time() - began) / done * 1e6


class Reader:
    """A socket's other end: gives the application what a test puts in, counts what it says."""

    def __init__(self, application, person: dict):
        self.scope = {
            "type": "websocket", "path": person["path"], "query_string": b"", "scheme": "ws",
            "headers": [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"),
                        (b"cookie", f"sessionid={person['cookie']}".encode())]}
        self._application = application
        self._received: asyncio.Queue[dict] = asyncio.Queue()
        self._said: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task | None = None

    async def open(self) -> None:
        """Connect and wait for the snapshot."""
        self._received.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._application(self.scope, self._received.get, self._take))
        await self._says("SESSION_RESTORED")

    async def ask(self) -> None:
        """Ask and wait until the question is acknowledged and the page told to pause."""
        self._received.put_nowait({"type": "websocket.receive", "text": question()})
        await self._says("INTERRUPTION_ACKNOWLEDGED")
        await self._says("PAUSE_AUDIO")

    async def leave(self) -> None:
        """Hang up."""
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self._task

    async def _take(self, message: dict) -> None:
        if "text" in message:
            self._said.put_nowait(message["text"])

    async def _says(self, type: str) -> None:
        said = await self._said.get()
        assert said.startswith(f'{{"type":"{type}"'), said


class School:
    """Everybody who reads, on a real application."""

    in_thread = staticmethod(asyncio.to_thread)

    def __init__(self, people: dict):
        from readerai_site.asgi import application

        self._people = people["students"]
        self._ids = [uuid.UUID(person["path"].split("/")[-2]) for person in self._people]
        self._application = application.application  # without what runs beside the requests: it is not measured here
        self._readers: list[Reader] = []

    def _run_batches(self, size: int) -> int:
        from sessions import messages
        from sessions.services import questions
        from sessions.sockets import receipt_key
        from sessions.writes import run_batch

        writes = []
        for id in self._ids[:max(IN_FLIGHT, size)]:
            message = messages.parse(question(), known=messages.STUDENT_MESSAGES)
            writes.append(questions.interruption(id, message.payload, receipt=receipt_key(message), sender="one!two"))
        for start in range(0, len(writes), size):
            outcomes, _ = run_batch(writes[start:start + size])
            assert not any(isinstance(outcome, Exception) for outcome in outcomes), outcomes
        return len(writes)

    async def batches(self) -> int:
        return await self.in_thread(self._run_batches, IN_FLIGHT)

    async def single_batches(self) -> int:
        return await self.in_thread(self._run_batches, 1)

    async def questions(self) -> int:
        if not self._readers:
            await self.arrivals()
        await self._each(lambda reader: reader.ask(), self._readers)
        return len(self._readers)

    def _get_pages(self) -> int:
        from django.test import Client

        people = self._people[:50]
        client = Client(headers={"host": "127.0.0.1"})  # each makes the middlewares anew, and they read all static files
        for person in people:
            client.cookies["sessionid"] = person["cookie"]
            assert client.get(person["page"]).status_code == 200
        return len(people)

    async def pages(self) -> int:
        return await self.in_thread(self._get_pages)

    async def arrivals(self) -> int:
        await self.leave()
        self._readers = [Reader(self._application, person) for person in self._people]
        await self._each(lambda reader: reader.open(), self._readers)
        return len(self._readers)

    async def leave(self) -> None:
        for reader in self._readers:
            await reader.leave()
        self._readers = []

    async def _each(self, does: Callable[[Reader], Awaitable[None]], readers: list[Reader]) -> None:
        """Let all do something, `IN_FLIGHT` at once."""
        waiting = iter(readers)

        async def one_after_another():
            for reader in waiting:
                await does(reader)

        await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))


def question() -> str:
    return json.dumps({"type": "STUDENT_INTERRUPTION", "id": str(uuid.uuid4()), "payload": WORDS})


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    main()
