"""The people of the tests and their sockets: alice reads, bob sits in her class, carol teaches it, mallory
belongs elsewhere (and trent teaches there).

`reader(alice)` and `room(carol)` open real conversations with the ASGI application; each awaits a named
message, so no frame is skipped blindly.
"""

import asyncio
import contextlib
import functools
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import msgpack
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from classrooms.models import Classroom, Enrollment, Text, User
from readerai_site.asgi import application as site
from sessions.models import Interruption, ReadingSession

# Without its wrapper, which would start a second background: the fixture's is the only one, engine or none.
application = site.application
PATIENCE = 30.0  # seconds for a message that must come; never waited out when all is well
STORY = """The Keeper of Words

Chapter 1
The First Page

A burrow is a home that an animal digs in the ground. Rabbits and foxes sleep in theirs all day.

The quick brown fox jumps over the lazy dog. This pangram contains every letter of the alphabet.

The keeper wrote each word on a card. At night he counted the cards by the light of a small lamp.

Chapter 2
The Second Page

In the morning the cards were gone. Only the fox knew where the wind had carried them.
"""


@dataclass
class Person:
    """Someone with a log-in; `reading_session` and `enrollment` are a student's, `classroom` is theirs."""

    user: User
    classroom: Classroom
    cookie: str
    enrollment: Enrollment | None = None
    reading_session: ReadingSession | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={self.cookie}".encode()), (b"host", b"testserver"),
                (b"origin", b"http://testserver")]


def log_in(user: User) -> str:
    """Return the key of a fresh log-in, as the views make it."""
    store = SessionStore()
    backend = "classrooms.backends.EnrollmentBackend" if user.is_student else "django.contrib.auth.backends.ModelBackend"
    store.update({SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend,
                  HASH_SESSION_KEY: user.get_session_auth_hash(), "auth_at": time.time()})
    store.save()
    return store.session_key


def seat(classroom: Classroom, nickname: str, text: Text) -> Person:
    """Return a new student of the class who has opened the text. The PIN is 1234, hashed once for all."""
    from classrooms.models import new_student_username
    from classrooms.services.doors import nickname_key
    user = User(username=new_student_username(), role=User.Role.STUDENT)
    user.set_unusable_password()
    user.save()
    enrollment = Enrollment.objects.create(
        user=user, classroom=classroom, nickname=nickname, nickname_key=nickname_key(nickname), pin=hashed("1234"))
    return Person(user, classroom, log_in(user), enrollment,
                  ReadingSession.objects.create(enrollment=enrollment, text=text))


def hashed(secret: str) -> str:
    """Return the hash of a secret, made once for each hasher: it is slow on purpose."""
    from django.contrib.auth.hashers import get_hasher
    return _hashed(secret, get_hasher().algorithm)


@functools.cache
def _hashed(secret: str, algorithm: str) -> str:
    from django.contrib.auth.hashers import make_password
    return make_password(secret, hasher=algorithm)


def queued(person: Person, question: str = "What is a burrow?", **fields) -> Interruption:
    """Return a stored question of a student that waits for the tutor, asked without a socket."""
    now = timezone.now()
    return Interruption.objects.create(**{
        "reading_session": person.reading_session, "enrollment": person.enrollment, "classroom": person.classroom,
        "text": person.reading_session.text, "paragraph": 1, "word_index": 10, "question_text": question,
        "created_at": now, "changed_at": now} | fields)


def browser(person: Person | None = None) -> Client:
    """Return a browser in which the person is logged in; nobody's without one."""
    client = Client()
    if person is not None:
        client.cookies[settings.SESSION_COOKIE_NAME] = person.cookie
    return client


def without_token(response) -> bytes:
    """Return a page as it is apart from its forms' token, which is new each time."""
    return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]*"', b"", response.content)


class Conversation:
    """One side of a socket. Every frame that comes is kept in `heard` until somebody asks for it by name."""

    def __init__(self, person: Person, path: str, *, headers=None, application=application):
        self.socket = WebsocketCommunicator(application, path, headers=list(person.headers if headers is None else headers))
        self.heard: list[dict[str, Any]] = []
        self.closed_with: int | None = None
        self.listeners: list[Callable[[dict[str, Any]], None]] = []  # told of every frame as it comes

    async def open(self) -> bool:
        """Return True when the socket was accepted (it may be closed right after)."""
        accepted, code = await self.socket.connect(timeout=PATIENCE)
        if not accepted:
            self.closed_with = code
        return accepted

    async def leave(self) -> None:
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self.socket.disconnect(timeout=PATIENCE)

    async def _next(self) -> dict[str, Any]:
        message = await self.socket.receive_output(timeout=PATIENCE)
        if message["type"] == "websocket.close":
            self.closed_with = message.get("code", 1000)
            raise Closed(self.closed_with)
        frame = json.loads(message["text"])
        for listener in self.listeners:
            listener(frame)
        return frame

    async def hears(self, *types: str, where=lambda frame: True) -> dict[str, Any]:
        """Return the next frame of one of these types (for which `where` holds); others stay in `heard`."""
        for place, frame in enumerate(self.heard):
            if frame["type"] in types and where(frame):
                return self.heard.pop(place)
        while True:
            try:
                frame = await self._next()
            except TimeoutError:
                raise AssertionError(f"no {' or '.join(types)} came; heard {[f['type'] for f in self.heard]}") from None
            if frame["type"] in types and where(frame):
                return frame
            self.heard.append(frame)

    async def hears_any(self) -> dict[str, Any]:
        """Wait for one more frame, whichever, and keep it in `heard`."""
        self.heard.append(await self._next())
        return self.heard[-1]

    async def closes(self) -> int:
        """Return the code the server closes with."""
        while self.closed_with is None:
            with contextlib.suppress(Closed):
                self.heard.append(await self._next())
        return self.closed_with

    async def hears_nothing(self, *, seconds: float = 0.2) -> bool:
        """True when nothing has come and nothing comes for a moment."""
        return not self.heard and await self.socket.receive_nothing(timeout=seconds)

    async def sends_text(self, text: str) -> None:
        await self.socket.send_input({"type": "websocket.receive", "text": text})  # `send_to` takes no empty text

    async def sends(self, type: str, payload: dict | None = None, *, id: str | None = None) -> str:
        """Send a message and return its id."""
        id = id or str(uuid.uuid4())
        await self.sends_text(json.dumps({"type": type, "id": id, "payload": payload or {}}))
        return id

    async def replied(self, id: str, *types: str) -> dict[str, Any]:
        """Return the frame that answers a message."""
        return await self.hears(*types, where=lambda frame: frame.get("inReplyTo") == id)


class Closed(Exception):
    """The server closed the socket."""


class Reader(Conversation):
    snapshot: dict[str, Any]

    async def ask(self, question: str, *, id: str | None = None, **payload) -> dict[str, Any]:
        """Ask and return the acknowledgement."""
        id = await self.sends("STUDENT_INTERRUPTION", {"questionText": question} | payload, id=id)
        return await self.replied(id, "INTERRUPTION_ACKNOWLEDGED", "ERROR")

    async def answer(self) -> str:
        """Return the whole text of the next answer."""
        return (await self.hears("INTERRUPTION_RESPONSE"))["payload"]["responseText"]


class Room(Conversation):
    snapshot: dict[str, Any]


@contextlib.asynccontextmanager
async def reader(person: Person, *, path: str | None = None) -> AsyncIterator[Reader]:
    """Open a student's socket and take its snapshot."""
    conversation = Reader(person, path or f"/ws/sessions/{person.reading_session.pk}/")
    assert await conversation.open()
    try:
        conversation.snapshot = await conversation.hears("SESSION_RESTORED")
        yield conversation
    finally:
        await conversation.leave()


@contextlib.asynccontextmanager
async def room(person: Person) -> AsyncIterator[Room]:
    """Open a teacher's socket and take its snapshot."""
    conversation = Room(person, f"/ws/classrooms/{person.classroom.pk}/")
    assert await conversation.open()
    try:
        conversation.snapshot = await conversation.hears("CLASSROOM_STATE")
        yield conversation
    finally:
        await conversation.leave()


async def beat(conversation: Conversation) -> dict[str, Any]:
    """Let the pulse run once and return its PONG's payload: presence is written before pings are answered."""
    return (await conversation.replied(await conversation.sends("PING"), "PONG"))["payload"]


async def stored(function, *args, **kwargs):
    """Ask the database from an asynchronous test."""
    return await database_sync_to_async(function)(*args, **kwargs)


def survives_redis(message: dict) -> bool:
    """True when msgpack gives back what it was given."""
    return msgpack.unpackb(msgpack.packb(message)) == message
