"""The channel layer of several processes: the in-process layer, and between the processes Redis' publish and subscribe.

`CHANNEL_LAYERS` names it where REDIS_URL is set. A process subscribes to the groups its sockets are in and gives what it
hears to them; its own sockets hear at once, Redis or not. Redis keeps nothing, so a restart or FLUSHALL forgets
nothing. Nothing here has to arrive: questions and answers are rows (docs/architecture.md says why not lists).
"""

import asyncio
import contextlib
import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

import msgpack
from channels.exceptions import ChannelFull
from channels_redis.utils import create_pool, decode_hosts
from redis import asyncio as redis_client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from readerai_site.layer import InProcessChannelLayer

logger = logging.getLogger(__name__)

AWAY = (RedisError, OSError, TimeoutError)
RETRY_SECONDS = 1.0
PING_SECONDS = 10.0  # a line on which nothing was heard for so long is asked, and given up after as long again
SUBSCRIBED_AT_ONCE = 500


class LastingRedisChannelLayer(InProcessChannelLayer):
    """Waits for a Redis that is away wherever one receives, and subscribes again when it is back.

    A named channel ("tutor") is a doorbell too: every process that receives on it hears each message. A socket's own
    channel is known in its process alone.
    """

    joins_processes = True

    def __init__(self, *, hosts: list[Any], prefix: str = "asgi", patience: float = 2.0, **options: Any):
        super().__init__(**options)
        self.prefix = prefix
        self.patience = patience  # seconds that joining a group may take
        # One more try: the first on a connection that Redis has closed since is bound to fail.
        self._hosts = [host | {"retry": Retry(NoBackoff(), 1)} for host in decode_hosts(hosts)]
        self._process = uuid.uuid4().hex
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Line]] = WeakKeyDictionary()
        self._away = False

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send to whoever receives on `channel`, here and elsewhere."""
        self.require_valid_channel_name(channel)
        if "!" in channel:
            return await super().send(channel, message)
        topic = self._topic("channel", channel)
        if any(topic in line.wanted for line in self._lines.get(asyncio.get_running_loop(), ())):
            await super().send(channel, message)
        await self._publish(topic, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message, however long Redis is away."""
        if "!" not in channel:
            await self._hear(self._topic("channel", channel))
        return await super().receive(channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to every channel of `group`, here at once."""
        await super().group_send(group, message)
        await self._publish(self._topic("group", group), message)

    async def group_add(self, group: str, channel: str) -> None:
        """Add `channel` to `group`. When this returns, what is sent from now on is heard; later, if Redis is away."""
        await super().group_add(group, channel)
        await self._hear(self._topic("group", group))

    async def group_discard(self, group: str, channel: str) -> None:
        """Take `channel` out of `group`; the last one of this process ends the subscription."""
        await super().group_discard(group, channel)
        if group not in self.groups and asyncio.get_running_loop() in self._lines:
            topic = self._topic("group", group)
            try:
                async with asyncio.timeout(self.patience):
                    await self._line(topic).forget(topic)
            except AWAY as error:
                self._say_once(error)

    async def flush(self) -> None:
        """Forget every message and group, and close the running loop's connections."""
        await super().flush()
        for line in self._lines.pop(asyncio.get_running_loop(), []):
            await line.close()

    # ---------------------------------------------------------------- inside

    def _topic(self, kind: str, name: str) -> str:
        return f"{self.prefix}:{kind}:{name}"

    def _line(self, topic: str) -> "Line":
        """Return the running loop's line to the one host that knows this topic."""
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            self._lines[loop] = [Line(host, self._heard, self._say_once) for host in self._hosts]
        return self._lines[loop][self._index(topic)]

    def _index(self, topic: str) -> int:
        return crc32(topic.encode()) % len(self._hosts)

    async def _publish(self, topic: str, message: dict[str, Any]) -> None:
        body = msgpack.packb([self._process, message])
        if asyncio.get_running_loop() in self._lines:
            return await self._line(topic).publish(topic, body)
        # A loop that hears nothing may be gone in a moment (a command's, a form's): it keeps no connection.
        line = Line(self._hosts[self._index(topic)], self._heard, self._say_once)
        try:
            await line.publish(topic, body)
        finally:
            await line.close()

    async def _hear(self, topic: str) -> None:
        try:
            async with asyncio.timeout(self.patience):
                await self._line(topic).hear(topic)
        except AWAY as error:
            self._say_once(error)

    async def occupied(self, addresses: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return those (group, channel) whose group has a member beside that channel, here or in another process.

        A question's group mostly has no other: to ask for 64 at once costs as much as to send to two.
        """
        addresses = list(addresses)
        if asyncio.get_running_loop() not in self._lines:  # it hears nothing, and keeps no connection to ask by
            return addresses
        found = await super().occupied(addresses)
        unsure: dict[Line, list[tuple[str, tuple[str, str]]]] = defaultdict(list)
        for address in set(addresses).difference(found):
            topic = self._topic("group", address[0])
            unsure[self._line(topic)].append((topic, address))
        try:
            for line, asked in unsure.items():
                processes = await line.count([topic for topic, _ in asked])
                found += [address for topic, address in asked if processes[topic] > (topic in line.wanted)]
        except AWAY as error:
            self._say_once(error)
        return found

    async def _heard(self, topic: str, body: bytes) -> bool:
        """Give to those in this process what another one sent; False when nobody is here any more."""
        self._away = False
        process, message = msgpack.unpackb(body)
        kind, name = topic.removeprefix(f"{self.prefix}:").split(":", 1)
        if kind == "group" and name not in self.groups:
            return False
        if process != self._process:
            with contextlib.suppress(ChannelFull):  # more than enough wait there
                await (super().group_send if kind == "group" else super().send)(name, message)
        return True

    def _say_once(self, error: Exception) -> None:
        if not self._away:
            logger.warning("Redis is away; sockets stay open and heal by version. %s: %s", type(error).__name__, error)
        self._away = True


class Line:
    """One event loop's connections to one Redis: publishes, and hears the topics that are wanted, again after each loss."""

    def __init__(self, host: dict[str, Any], heard: Callable, away: Callable[[Exception], None]):
        self._client = redis_client.Redis(connection_pool=create_pool(host))
        self._heard = heard
        self._say_away = away
        self.wanted: dict[str, asyncio.Future[None]] = {}  # topic -> done when Redis has said yes for the first time
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None

    async def publish(self, topic: str, body: bytes) -> None:
        await self._client.publish(topic, body)

    async def count(self, topics: list[str]) -> dict[str, int]:
        """Return how many processes hear each topic."""
        return {topic.decode(): number for topic, number in await self._client.pubsub_numsub(*topics)}

    async def hear(self, topic: str) -> None:
        """Return when Redis has noted that this topic is wanted here."""
        noted = self.wanted.get(topic)
        if noted is None:
            noted = self.wanted[topic] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._listen_for_ever())
            elif self._pubsub is not None:
                await self._pubsub.subscribe(topic)
        await asyncio.shield(noted)

    async def forget(self, topic: str) -> None:
        if self.wanted.pop(topic, None) is not None and self._pubsub is not None:
            await self._pubsub.unsubscribe(topic)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose(close_connection_pool=True)

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await self._listen(pubsub)
            except AWAY as error:
                self._say_away(error)
            except Exception:
                logger.exception("What came through Redis broke the listener; it begins anew.")
            finally:
                self._pubsub = None
            # Not all processes in the same moment.
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _listen(self, pubsub: Any) -> None:
        topics = list(self.wanted)
        for start in range(0, len(topics), SUBSCRIBED_AT_ONCE):
            await pubsub.subscribe(*topics[start:start + SUBSCRIBED_AT_ONCE])
        self._pubsub = pubsub
        if late := self.wanted.keys() - set(topics):
            await pubsub.subscribe(*late)
        asked = False
        while True:
            message = await pubsub.get_message(timeout=PING_SECONDS)
            if message is None:
                if asked:
                    raise TimeoutError("it does not even answer a ping")
                if asked := bool(self.wanted):
                    await pubsub.ping()
                continue
            asked = False
            if message["type"] == "pong":
                continue
            topic = message["channel"].decode()
            if message["type"] == "message":
                if not await self._heard(topic, message["data"]):
                    await self.forget(topic)
            elif message["type"] == "subscribe" and (noted := self.wanted.get(topic)) and not noted.done():
                noted.set_result(None)
