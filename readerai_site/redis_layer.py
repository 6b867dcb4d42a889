"""The channel layer of several processes: Channels' Redis layer, for sockets that outlive their Redis.

`CHANNEL_LAYERS` names it where REDIS_URL is set. With the stock layer every open socket ends with the first error
of Redis, none can open until it is back, and a Redis that has forgotten its groups (a restart, FLUSHALL) leaves
sockets that hear nothing until they are opened again. Questions and answers never depended on it: they are rows.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from channels_redis.core import RedisChannelLayer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

AWAY = (RedisError, OSError, TimeoutError)
RETRY_SECONDS = 1.0
GUARD_SECONDS = 2.0
JOINED_AT_ONCE = 500


class LastingRedisChannelLayer(RedisChannelLayer):
    """Waits for a Redis that is away where a socket receives, and joins its groups again where Redis forgot them.

    A channel that many processes read ("tutor") raises as ever: its reader decides how to go on.
    """

    def __init__(self, *args: Any, patience: float = 2.0, **options: Any):
        super().__init__(*args, **options)
        self.patience = patience  # seconds that joining a group may take
        self._groups: dict[str, set[str]] = {}  # channel of this process -> groups it is in
        self._guards: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
        self._incomplete = False  # a group could not be joined
        self._away = False

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message; for a socket's own channel, however long Redis is away."""
        while True:
            try:
                message = await super().receive(channel)
                self._away = False
                return message
            except AWAY as error:
                if "!" not in channel:
                    raise
                self._say_once(error)
            # Not all sockets in the same moment.
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def group_add(self, group: str, channel: str) -> None:
        """Add `channel` to `group`, later if Redis is away."""
        self._groups.setdefault(channel, set()).add(group)
        self._watch()
        try:
            async with asyncio.timeout(self.patience):
                await super().group_add(group, channel)
        except AWAY as error:
            self._incomplete = True
            self._say_once(error)

    async def group_discard(self, group: str, channel: str) -> None:
        """Take `channel` out of `group`; a membership that Redis keeps for want of an answer expires there."""
        groups = self._groups.get(channel, set())
        groups.discard(group)
        if not groups:
            self._groups.pop(channel, None)
        try:
            async with asyncio.timeout(self.patience):
                await super().group_discard(group, channel)
        except AWAY as error:
            self._say_once(error)

    async def occupied(self, addresses: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return those (group, channel) whose group has a member beside that channel.

        A question's group mostly has no other: to ask for 64 at once costs as much as to send to two.
        """
        found = []
        by_connection = defaultdict(list)
        for address in addresses:
            by_connection[self.consistent_hash(address[0])].append(address)
        for index, asked in by_connection.items():
            pipeline = self.connection(index).pipeline(transaction=False)
            for group, _ in asked:
                pipeline.zrange(self._group_key(group), 0, 1)
            found += [(group, channel) for (group, channel), members in zip(asked, await pipeline.execute(), strict=True)
                      if any(member.decode() != channel for member in members)]
        return found

    # ---------------------------------------------------------------- the guard

    def _say_once(self, error: Exception) -> None:
        if not self._away:
            logger.warning("Redis is away; sockets stay open and heal by version. %s: %s", type(error).__name__, error)
        self._away = True

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if loop not in self._guards or self._guards[loop].done():
            self._guards[loop] = loop.create_task(self._guard())

    async def _guard(self) -> None:
        """Look every `GUARD_SECONDS` whether Redis still knows what this process joined, while it is in any group."""
        while self._groups:
            try:
                async with asyncio.timeout(10 * self.patience):
                    if await self._has_forgotten() or self._incomplete:
                        self._incomplete = False
                        await self._join_again()
            except AWAY as error:
                self._incomplete = True
                self._say_once(error)
            await asyncio.sleep(GUARD_SECONDS)

    async def _has_forgotten(self) -> bool:
        """True when a mark that this process left is gone, and with it the groups; leaves it anew."""
        mark = f"{self.prefix}:mark:{self.client_prefix}"
        fresh = [await self.connection(index).set(mark, 1, nx=True, ex=self.group_expiry)
                 for index in range(self.ring_size)]
        return any(fresh)

    async def _join_again(self) -> None:
        members: dict[str, dict[str, float]] = defaultdict(dict)
        for channel, groups in self._groups.items():
            for group in groups:
                members[group][channel] = time.time()
        for index in range(self.ring_size):
            mine = [group for group in members if self.consistent_hash(group) == index]
            for start in range(0, len(mine), JOINED_AT_ONCE):
                pipeline = self.connection(index).pipeline(transaction=False)
                for group in mine[start:start + JOINED_AT_ONCE]:
                    pipeline.zadd(self._group_key(group), members[group])
                    pipeline.expire(self._group_key(group), self.group_expiry)
                await pipeline.execute()
        self._away = False
