"""What both sockets share: who may open one, how frames are taken, refused and sent, when it ends.

`consumers` builds on it with one handler a message. Nothing here knows what a message means.
"""

import asyncio
import logging
import time
from collections import deque
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qs

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.http.cookie import parse_cookie

from sessions import errors, messages
from sessions.limits import Bucket
from sessions.models import Eviction
from sessions.pulse import pulse
from sessions.services import access
from sessions.writes import ReceiptKey, Reply, body_hash

logger = logging.getLogger(__name__)

COME_BACK = 1012
TOO_MANY_BAD = 4400
NOT_LOGGED_IN = 4401
REMOVED = 4403
NOT_FOUND = 4404
SILENT = 4408
TOO_SLOW = 4409
FLOODING = 4429
COUNTED_AS_BAD = {"INVALID_JSON", "INVALID_MESSAGE", "UNKNOWN_TYPE", "BINARY_UNSUPPORTED"}
OFFERED_AT_MOST = 64  # offers that may wait for one socket beside what its own handler sends


class Refusal(Exception):
    """The socket may not open; `code` is its close code."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class Socket(AsyncWebsocketConsumer):
    """A WebSocket of the protocol. Subclasses say what they know and how they open."""

    known: ClassVar[dict[str, type[messages.Payload]]]
    quiet = frozenset({"PING", "RESTORE"})  # a page says these by itself; they are no activity of a person

    access: access.Access
    classroom_id: int | None = None
    ended = False

    # ---- Opening and closing

    async def connect(self):
        """Called when a socket asks to open. Only a foreign origin is refused before accepting: a page can then
        tell from the close code why it may not stay."""
        self.last_heard = time.monotonic()
        self._offered: set[asyncio.Task] = set()
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        ticket = parse_qs(self.scope["query_string"].decode("latin1")).get("ticket", [""])[0]
        if origin and not origin_allowed(origin, headers, self.scope):
            return await self.close()
        try:
            if ticket:
                self.access = await database_sync_to_async(access.access_by_ticket)(
                    ticket, path=self.scope["path"])
            elif not origin:
                return await self.close()
            session_key = parse_cookie(headers.get(b"cookie", b"").decode("latin1")).get(settings.SESSION_COOKIE_NAME)
        except access.NotLoggedIn:
            if not origin:
                return await self.close()
            await self.accept()
            return await self.end(NOT_LOGGED_IN)
        await self.accept()
        self._tokens = Bucket(rate=settings.LIMITS.messages_per_second, burst=settings.LIMITS.burst)
        self._flood = Bucket(rate=settings.LIMITS.flood_per_second, burst=settings.LIMITS.flood_burst)
        self._bad: deque[float] = deque(maxlen=settings.LIMITS.bad_messages)
        try:
            await self.open(None if ticket else session_key)
        except access.NotLoggedIn:
            await self.end(NOT_LOGGED_IN)
        except Refusal as refusal:
            await self.end(refusal.code)

    async def open(self, session_key: str | None) -> None:
        """Join groups, look up rights, send the snapshot. `session_key` is None when a ticket gave `self.access`."""
        raise NotImplementedError

    async def disconnect(self, code):
        """Called when the socket is gone. Nothing depends on it: what it would clean up also ends by itself."""
        self.ended = True
        pulse().closed(self)
        for task in self._offered:
            task.cancel()
        layer = get_channel_layer()
        for group in self.joined():
            try:
                await layer.group_discard(group, self.channel_name)
            except Exception:
                logger.warning("The channel layer did not take a leave; the membership expires by itself.")

    def joined(self) -> list[str]:
        """Return the groups this socket may have joined."""
        return []

    async def end(self, code: int) -> None:
        """Close with a code of the protocol, once."""
        if self.ended:
            return
        self.ended = True
        pulse().closed(self)
        try:
            async with asyncio.timeout(settings.DURATIONS.slow_reader):
                await self.close(code=code)
        except TimeoutError:
            self._abort()
        except OSError:
            pass  # it has hung up meanwhile

    def _abort(self) -> None:
        """Cut the connection of a peer that takes nothing, where the server's `send` would wait for it for ever.

        Uvicorn's does, a close frame too, and ASGI has no word for this; our own server cuts by itself.
        """
        transport = getattr(getattr(self.base_send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    def end_soon(self, code: int) -> None:
        """Close without waiting for a peer that may not be reading."""
        self._spawn(self.end(code))

    def overdue(self, now: float) -> int:
        """Return the close code that is due at this monotonic time, or 0."""
        if now - self.last_heard > settings.DURATIONS.heartbeat_timeout:
            return SILENT
        if datetime.now(self.access.until.tzinfo) > self.access.until:
            return NOT_LOGGED_IN
        return 0

    def is_evicted_by(self, eviction: Eviction) -> bool:
        """True when the eviction means this socket. No clocks are compared: the rights may have been looked up
        before an eviction that was written earlier was committed."""
        mine = self.access.user
        if eviction.user_id != mine.pk:
            return False
        if eviction.session_key_hash:
            return eviction.session_key_hash == self.access.key_hash
        if eviction.classroom_id is not None:
            return eviction.classroom_id == self.classroom_id
        # All log-ins of the user, save those made since: they know the new password.
        return (eviction.user.password, eviction.user.is_active) != (mine.password, mine.is_active)

    # ---- Taking frames

    async def dispatch(self, message):
        """Hand a message straight to its handler: the stock one adds a thread hop to every message (see design facts)."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message):
        await self.disconnect(message["code"])
        raise StopConsumer

    async def receive(self, text_data=None, bytes_data=None):
        """Called with each frame: limits, parse, the handler of its type, errors translated here and nowhere else."""
        if self.ended:
            return
        self.last_heard = time.monotonic()
        if not self._flood.take():
            return await self.end(FLOODING)
        try:
            if text_data is None:
                raise messages.BadMessage("BINARY_UNSUPPORTED")
            message = messages.parse(text_data, known=self.known)
            if not self._tokens.take():
                raise messages.BadMessage("RATE_LIMITED", in_reply_to=message.id)
        except messages.BadMessage as bad:
            return await self.refuse(bad)
        self.heard(message)
        try:
            await getattr(self, f"on_{message.type.lower()}")(message)
        except errors.Refused as refused:
            await self.reply_error(refused.code, refused.message, to=message.id)
        except Refusal as refusal:
            await self.end(refusal.code)
        except Exception:
            logger.exception("A %s failed.", message.type)
            await self.reply_error("INTERNAL", errors.INTERNAL, to=message.id)

    def heard(self, message: messages.ClientMessage) -> None:
        """Called with each good message, before its handler."""

    async def refuse(self, bad: messages.BadMessage) -> None:
        await self.reply_error(bad.code, errors.PARSE_ERRORS[bad.code], to=bad.in_reply_to)
        if bad.code not in COUNTED_AS_BAD:
            return
        self._bad.append(self.last_heard)
        if len(self._bad) == self._bad.maxlen and self._bad[-1] - self._bad[0] < settings.DURATIONS.bad_messages:
            await self.end(TOO_MANY_BAD)

    # ---- Sending frames

    async def send_frame(self, frame: str) -> None:
        """Send a text frame; a peer that takes nothing for `DURATIONS.slow_reader` is closed.

        Waiting here is uvicorn's back-pressure. Daphne never waits: there the server watches the transport.
        """
        if self.ended:
            return
        try:
            async with asyncio.timeout(settings.DURATIONS.slow_reader):
                await self.send(text_data=frame)
        except TimeoutError:
            self._abort()
            await self.end(TOO_SLOW)
        except OSError:
            self.ended = True  # it has hung up: uvicorn says so here too, before `disconnect` is called

    def offer(self, *frames: str) -> None:
        """Send frames, in order, without making the caller wait for this peer; one that lets them pile up is closed."""
        if len(self._offered) >= OFFERED_AT_MOST:
            self.end_soon(TOO_SLOW)
        else:
            self._spawn(self._send_frames(frames))

    async def _send_frames(self, frames) -> None:
        for frame in frames:
            await self.send_frame(frame)

    def _spawn(self, coroutine) -> None:
        task = asyncio.create_task(coroutine)
        self._offered.add(task)
        task.add_done_callback(self._offered.discard)

    async def push(self, event):
        """Called when a group this socket joined is sent frames."""
        if event.get("exclude") == self.channel_name:
            return
        await self._send_frames(event["frames"])

    async def reply(self, message: messages.ServerMessage, *, to: messages.ClientMessage) -> None:
        await self.send_frame(message.encode(in_reply_to=to.id))

    async def reply_stored(self, reply: Reply, *, to: messages.ClientMessage) -> None:
        await self.send_frame(messages.frame_of(
            reply.type, reply.payload, in_reply_to=to.id, version=reply.version))

    async def reply_error(self, code: str, text, *, to) -> None:
        await self.send_frame(messages.Error(code=code, message=str(text)).encode(in_reply_to=to))


def receipt_key(message: messages.ClientMessage, *, classroom_id: int | None = None) -> ReceiptKey:
    """Return what tells this durable message from every other of its sender. A teacher may send to several classes:
    the same words to another one are another body."""
    body = message.raw_payload if classroom_id is None else message.raw_payload | {"classroom": classroom_id}
    return ReceiptKey(message.id, message.type, body_hash(message.type, body))


def origin_allowed(origin: str, headers: dict[bytes, bytes], scope: dict) -> bool:
    """True for a public origin; where none are set, for the very scheme and host that the socket was asked of."""
    if settings.PUBLIC_ORIGINS:
        return origin in settings.PUBLIC_ORIGINS
    https = scope.get("scheme") in ("wss", "https") or (
        settings.BEHIND_PROXY and headers.get(b"x-forwarded-proto") == b"https")
    return origin == f"{'https' if https else 'http'}://{headers.get(b'host', b'').decode('latin1')}"
