"""A student's page that stays: it comes back, resends, restores what it missed, and counts all that it was told.

What it shows is kept by `tests.clients.StudentPage`, written from the protocol alone; here is what static/js does
around it: growing jittered delays, an outbox, heartbeats, RESTORE when it is behind. One task for each page.
"""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections import Counter, defaultdict
from random import Random
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.clients import Page as Shown
from tests.clients import RoomPage, StudentPage
from tests.load.faults.ground import Ground
from tests.people import Person

LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError, TimeoutError)
OUTCOMES = ("INTERRUPTION_RESPONSE", "INTERRUPTION_ERROR")
OPENING = 20.0
PONG_WITHIN = 15.0
PATIENCE = 60.0  # for what must come in the end
_serial = itertools.count()


class Page:
    """One tab of one person, in a room too. `where()` says which port to come to, None while there is none."""

    def __init__(self, ground: Ground, person: Person, *, where=None):
        self.person = person
        self.where = where or ground.port
        self.scale = ground.scale
        self.random = Random(ground.random.random())
        self.is_room = person.reading_session is None
        self.path = (f"/ws/classrooms/{person.classroom.pk}/" if self.is_room
                     else f"/ws/sessions/{person.reading_session.pk}/")
        self.shown: Shown | None = None
        self.outbox: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, str] = {}  # message id -> question
        self.acknowledged: dict[str, str] = {}  # message id -> interruption id
        self.settled: dict[str, str] = {}  # message id -> type of its reply, of every durable message
        self.outcomes: dict[str, set[tuple]] = defaultdict(set)  # interruption id -> the different outcomes told
        self.ended: set[str] = set()  # interruptions seen to have an outcome, in a message or a snapshot
        self.heard: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.closes: list[tuple[float, int]] = []  # (monotonic seconds, code) of every connection that ended
        self.told_at = 0.0  # monotonic seconds of the last frame
        self.waits: list[float] = []  # seconds from sending to acknowledgement
        self.restored = 0
        self.port = 0  # where it is, or was last
        self._sent_at: dict[str, float] = {}
        self._socket = None
        self._restoring = False
        self._pong_due = 0.0
        self._news = asyncio.Condition()
        self._leaving = False
        self._task = asyncio.create_task(self._stay())
        self._task.add_done_callback(lambda task: task.cancelled() or not task.exception() or ground.fails(
            f"a page broke: {task.exception()!r}"))
        ground.pages.append(self)

    @property
    def is_live(self) -> bool:
        return self._socket is not None

    @property
    def open(self) -> set[str]:
        """Interruptions that were acknowledged and have no outcome yet."""
        return set(self.acknowledged.values()) - self.ended

    # ---- What it says

    async def say(self, type: str, payload: dict | None = None, *, durable: bool = True) -> str:
        """Send a message; a durable one again and again until it is answered. Returns its id."""
        id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        frame = {"type": type, "id": id, "payload": payload or {}}
        if durable:
            self.outbox[id] = frame
        await self._send(frame)
        return id

    async def ask(self, question: str = "") -> str:
        """Ask something that nobody else asks, so that the model's list of calls tells questions apart."""
        question = question or f"What does word {next(_serial)} mean?"
        id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.asked[id] = question
        frame = {"type": "STUDENT_INTERRUPTION", "id": id, "payload": {"questionText": question}}
        self.outbox[id] = frame
        await self._send(frame)
        return id

    async def _send(self, frame: dict) -> None:
        if self._socket is not None:
            self._sent_at.setdefault(frame.get("id", ""), time.monotonic())
            with contextlib.suppress(*LOST):
                await self._socket.send(json.dumps(frame))

    # ---- Waiting

    async def until(self, seen, *, seconds: float = PATIENCE) -> bool:
        """Wait until `seen(page)`; False when it did not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: seen(self))
                return True
        return False

    async def leave(self) -> None:
        self._leaving = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # ---- Staying

    async def _stay(self) -> None:
        attempt = 0
        while True:
            while (port := self.where()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            began, code, self.port = time.monotonic(), 1006, port
            try:
                async with connect(
                        f"ws://127.0.0.1:{port}{self.path}", origin=f"http://127.0.0.1:{port}", ping_interval=None,
                        compression=None, open_timeout=OPENING, close_timeout=0.2, max_size=None, proxy=None,
                        additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.person.cookie}"}) as socket:
                    await self._live(socket)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
            except LOST:
                code = 0  # it was not even opened
            finally:
                self._socket = None
            self.closes.append((time.monotonic(), code))
            async with self._news:
                self._news.notify_all()
            if code in (4401, 4403, 4404):
                return
            attempt = 0 if time.monotonic() - began > 10 * self.scale or code == 1012 else attempt + 1
            await asyncio.sleep(self.scale * delay_before(attempt, self.random.random()))

    async def _live(self, socket) -> None:
        beating = None
        try:
            async for text in socket:
                self.told_at = time.monotonic()
                frame = json.loads(text)
                if frame["type"] in ("SESSION_RESTORED", "CLASSROOM_STATE") and self._socket is None:
                    self._socket, self._pong_due = socket, 0.0
                    self._take(frame)
                    for waiting in list(self.outbox.values()):
                        await self._send(waiting)
                    beating = asyncio.create_task(self._beat(socket, frame["payload"].get("heartbeatSeconds", 25)))
                else:
                    self._take(frame)
                async with self._news:
                    self._news.notify_all()
        finally:
            self._socket = None
            if beating is not None:
                beating.cancel()
        raise ConnectionClosed(socket.protocol.close_rcvd, socket.protocol.close_sent)

    async def _beat(self, socket, seconds: float) -> None:
        with contextlib.suppress(*LOST):
            while True:
                await asyncio.sleep(seconds * self.random.uniform(0.9, 1.1))
                if self._pong_due and time.monotonic() > self._pong_due:
                    self.errors["no PONG"] += 1
                    socket.transport.abort()
                    return
                self._pong_due = self._pong_due or time.monotonic() + PONG_WITHIN
                await self.ping()

    async def ping(self) -> None:
        numbers = self.shown.numbers if self.shown and not self.is_room else {}
        await self._send({"type": "PING", "payload": numbers})

    async def _restore(self) -> None:
        try:
            await asyncio.sleep(2 * self.scale * self.random.random())
            if self.shown.is_behind() or self.shown.waiting:
                self.restored += 1
                await self._send({"type": "RESTORE"})
                await asyncio.sleep(self.scale)
        finally:
            self._restoring = False

    # ---- What it is told

    def _take(self, frame: dict[str, Any]) -> None:
        type, payload = frame["type"], frame["payload"]
        self.heard[type] += 1
        if self.shown is None:
            kind = RoomPage if self.is_room else StudentPage
            self.shown = kind(SimpleNamespace(snapshot=frame, heard=[], listeners=[]))
        else:
            self.shown.hear(frame)
        id = frame.get("inReplyTo")
        if type == "ERROR":
            self.errors[payload["code"]] += 1
            if payload["code"] not in ("INTERNAL", "RATE_LIMITED"):
                self.outbox.pop(id, None)
        elif id in self.outbox and type != "PAUSE_AUDIO":
            del self.outbox[id]
            self.settled[id] = type
            self.waits.append(time.monotonic() - self._sent_at.pop(id, time.monotonic()))
            if type == "INTERRUPTION_ACKNOWLEDGED":
                self.acknowledged[id] = payload["interruptionId"]
        if type in OUTCOMES:
            self.outcomes[payload["interruptionId"]].add((type, payload.get("responseText"), payload.get("errorCode")))
            self.ended.add(payload["interruptionId"])
        elif type == "SESSION_RESTORED":
            self.ended |= {view["interruptionId"] for view in payload["interruptions"]
                           if view["state"] not in ("queued", "answering")}
        elif type == "PONG":
            self._pong_due = 0.0
        if not self._restoring and (self.shown.is_behind() or self.shown.waiting):
            self._restoring = True
            self._restore_task = asyncio.create_task(self._restore())


def delay_before(attempt: int, random: float) -> float:
    """Return seconds before an attempt to come back, as static/js/backoff.js has it."""
    return 5 * random if attempt == 0 else min(30, 5 * 2 ** min(attempt, 16)) * (0.5 + random / 2)


@contextlib.asynccontextmanager
async def busy(pages: list[Page], activity):
    """Let every page do something again and again meanwhile: `activity(page)` is awaited in a loop of its own."""
    async def go_on(page):
        while True:
            await activity(page)

    tasks = [asyncio.create_task(go_on(page)) for page in pages]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception):
                raise error


async def keep_one_open(page: Page) -> None:
    """Ask, and ask again as soon as there is an outcome."""
    await page.ask()
    while not await page.until(lambda page: not page.open and not page.outbox):
        pass
