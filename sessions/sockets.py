"""What both sockets share: who may open one, how frames are taken, refused and sent, when it ends.

`consumers` builds on it with one handler a message. Nothing here knows what a message means.
"""

import asyncio
import logging
import time
from typing import ClassVar
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.http.cookie import parse_cookie

from sessions import errors, messages, metrics
from sessions.limits import Bucket
from sessions.models import Eviction
from sessions.pulse import pulse
from sessions.services import access
from sessions.threads import lookups
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


def _not_now(text: str) -> bool:
    return False


class Socket(AsyncWebsocketConsumer):
    """A WebSocket of the protocol. Subclasses say what they know and how they open."""

    known: ClassVar[dict[str, type[messages.Payload]]]
    kind: ClassVar[str]
    quiet = frozenset({"PING", "RESTORE"})  # a page says these by itself; they are no activity of a person

    access: access.Access
    classroom_id: int | None = None
    ended = False
    last_heard: float  # monotonic seconds, as the next one
    sending_since: float | None = None  # when the peer was offered what it has not taken yet
    _untaken = 0  # bytes that waited for the peer when the pulse last looked
    _snapshots: Bucket | None = None  # made when the first is asked for
    _bad: tuple[float, ...] = ()  # when the last bad messages came
    _offered: frozenset[asyncio.Task] | set[asyncio.Task] = frozenset()

    async def __call__(self, scope, receive, send):
        """Serve one socket: what the peer says and what its groups are told take turns, in the order they came.

        In place of Channels' own loop, which makes a task, waits on two and hops through a thread for every message.
        """
        self.scope, self.base_send = scope, send
        self._say = getattr(getattr(send, "__self__", None), "say", _not_now)
        self.channel_layer = get_channel_layer()
        self.channel_name = await self.channel_layer.new_channel()
        self._turn = asyncio.Lock()
        self._task = asyncio.current_task()
        self.pulse = pulse()
        self.last_heard = time.monotonic()
        message = await receive()  # that it wants to connect
        pushes = asyncio.create_task(self._take_pushes())
        try:
            async with self._turn:
                await self.connect()
            while (message := await receive())["type"] == "websocket.receive":
                async with self._turn:
                    await self.receive(message.get("text"), message.get("bytes"))
        except asyncio.CancelledError:
            if not self.ended:
                raise
            self._abort()  # a peer that takes nothing was given up
        finally:
            pushes.cancel()
        await self.disconnect(message.get("code", TOO_SLOW))

    async def _take_pushes(self) -> None:
        try:
            while True:
                event = await self.channel_layer.receive(self.channel_name)
                async with self._turn:
                    await self.push(event)
        except Exception:
            logger.exception("A socket can no longer be told anything.")
            await self.end(COME_BACK)

    # ---- Opening and closing

    async def connect(self):
        """Called when a socket asks to open. Only a foreign origin is refused before accepting: a page can then
        tell from the close code why it may not stay."""
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        ticket = parse_qs(self.scope["query_string"].decode("latin1")).get("ticket", [""])[0]
        if origin and not origin_allowed(origin, headers, self.scope):
            return await self.close()
        try:
            if ticket:
                self.access = await lookups().run(access.access_by_ticket, ticket, path=self.scope["path"])
            elif not origin:
                return await self.close()
            session_key = parse_cookie(headers.get(b"cookie", b"").decode("latin1")).get(settings.SESSION_COOKIE_NAME)
        except access.NotLoggedIn:
            if not origin:
                return await self.close()
            await self.accept()
            return await self.end(NOT_LOGGED_IN)
        if self.pulse.flooded and self._has_flooded(session_key):
            await asyncio.sleep(settings.DURATIONS.refusal)
            await self.accept()
            return await self.end(FLOODING)
        await self.accept()
        self._tokens = Bucket(rate=settings.LIMITS.messages_per_second, burst=settings.LIMITS.burst)
        self._flood = Bucket(rate=settings.LIMITS.flood_per_second, burst=settings.LIMITS.flood_burst)
        self.scope["headers"].clear()  # 2 KB that nobody asks for again
        try:
            await self.open(None if ticket else session_key)
            metrics.OPENED[self.kind].inc()
        except access.NotLoggedIn:
            await self.end(NOT_LOGGED_IN)
        except Refusal as refusal:
            await self.end(refusal.code)

    def _has_flooded(self, session_key: str | None) -> bool:
        """True when the log-in flooded a moment ago."""
        mine = self.access.key_hash if hasattr(self, "access") else session_key and access.hashed(session_key)
        return self.pulse.flooded.get(mine, 0) > time.monotonic()

    async def open(self, session_key: str | None) -> None:
        """Join groups, look up rights, send the snapshot. `session_key` is None when a ticket gave `self.access`."""
        raise NotImplementedError

    async def disconnect(self, code):
        """Called when the socket is gone. Nothing depends on it: what it would clean up also ends by itself."""
        self.ended = True
        self.pulse.closed(self)
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
        metrics.ENDED[str(code)].inc()
        self.pulse.closed(self)
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
        if (transport := self._transport()) is not None:
            transport.abort()

    def _transport(self) -> asyncio.WriteTransport | None:
        return getattr(getattr(self.base_send, "__self__", None), "transport", None)

    def end_soon(self, code: int) -> None:
        """Close without waiting for a peer that may not be reading."""
        self._spawn(self.end(code))
        if code == TOO_SLOW:
            self._task.cancel()  # it waits in a send that may never end

    def overdue(self, now: float) -> int:
        """Return the close code that is due at this monotonic time, or 0."""
        if now > self._silent_at():
            return SILENT
        return NOT_LOGGED_IN if now > self.logged_in_until() else 0

    def end_if_stuck(self, now: float) -> None:
        """Give up a peer that has taken nothing of what it was offered for too long, be it the first snapshot."""
        if self.sending_since is None:
            return
        transport = self._transport()
        untaken = transport.get_write_buffer_size() if transport is not None else 0
        if untaken < self._untaken:
            self.sending_since = now  # slow, but it takes some
        self._untaken = untaken
        if now - self.sending_since > settings.DURATIONS.slow_reader:
            self.end_soon(TOO_SLOW)

    def next_due(self) -> float:
        """Return the monotonic time before which nothing is due: it only ever grows."""
        return min(self._silent_at(), self.logged_in_until())

    def _silent_at(self) -> float:
        return self.last_heard + settings.DURATIONS.heartbeat_timeout

    def logged_in_until(self) -> float:
        """Return the monotonic time at which the log-in ends, as things are now."""
        return time.monotonic() + self.access.until.timestamp() - time.time()

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

    async def receive(self, text_data=None, bytes_data=None):
        """Called with each frame: limits, parse, the handler of its type, errors translated here and nowhere else."""
        if self.ended:
            return
        self.last_heard = time.monotonic()
        if not self._flood.take():
            self.pulse.flooding(self.access.key_hash)
            return await self.end(FLOODING)
        try:
            if text_data is None:
                raise messages.BadMessage("BINARY_UNSUPPORTED")
            message = messages.parse(text_data, known=self.known)
            if not self._tokens.take() or message.type == "RESTORE" and not self._may_have_snapshot():
                raise messages.BadMessage("RATE_LIMITED", in_reply_to=message.id)
        except messages.BadMessage as bad:
            return await self.refuse(bad)
        self.heard(message)
        metrics.RECEIVED[message.type].inc()
        try:
            await getattr(self, f"on_{message.type.lower()}")(message)
            if message.payload.durable:
                metrics.ACKNOWLEDGED.observe(time.monotonic() - self.last_heard)
        except errors.Refused as refused:
            await self.reply_error(refused.code, refused.message, to=message.id)
        except Refusal as refusal:
            await self.end(refusal.code)
        except Exception:
            logger.exception("A %s failed.", message.type)
            await self.reply_error("INTERNAL", errors.INTERNAL, to=message.id)

    def _may_have_snapshot(self) -> bool:
        """Count a snapshot: each costs a hundred times what another message does."""
        if self._snapshots is None:
            self._snapshots = Bucket(rate=settings.LIMITS.snapshots_per_second, burst=settings.LIMITS.snapshots_burst)
        return self._snapshots.take()

    def heard(self, message: messages.ClientMessage) -> None:
        """Called with each good message, before its handler."""

    async def refuse(self, bad: messages.BadMessage) -> None:
        await self.reply_error(bad.code, errors.PARSE_ERRORS[bad.code], to=bad.in_reply_to)
        if bad.code not in COUNTED_AS_BAD:
            return
        self._bad = (*self._bad, self.last_heard)[-settings.LIMITS.bad_messages:]
        if len(self._bad) == settings.LIMITS.bad_messages and (
                self._bad[-1] - self._bad[0] < settings.DURATIONS.bad_messages):
            await self.end(TOO_MANY_BAD)

    # ---- Sending frames

    async def send_frame(self, frame: str) -> None:
        """Send a text frame. On uvicorn this waits for a peer that takes nothing, until `overdue` has enough of it;
        Daphne never waits: there the server watches the transport."""
        if self.ended or self._say(frame):
            return
        if self.sending_since is None:
            self.sending_since = time.monotonic()
            self.pulse.sending.add(self)
        try:
            await self.base_send({"type": "websocket.send", "text": frame})
        except OSError:
            self.ended = True  # it has hung up: uvicorn says so here too, before it can be received
        self.sending_since = None
        self.pulse.sending.discard(self)

    def offer(self, *frames: str) -> None:
        """Send frames, in order, without making the caller wait for this peer; one that lets them pile up is closed."""
        if self.ended:
            return
        said = 0
        if not self._offered and self.sending_since is None:
            while said < len(frames) and self._say(frames[said]):
                said += 1
        if said == len(frames):
            return
        if len(self._offered) >= OFFERED_AT_MOST:
            self.end_soon(TOO_SLOW)
        else:
            self._spawn(self._send_frames(frames[said:]))

    async def _send_frames(self, frames) -> None:
        for frame in frames:
            await self.send_frame(frame)

    def _spawn(self, coroutine) -> None:
        task = asyncio.create_task(coroutine)
        if not self._offered:
            self._offered = set()
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
        await self.send_frame(reply.encode(in_reply_to=to.id))

    async def reply_error(self, code: str, text, *, to) -> None:
        metrics.REFUSED[code].inc()
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
