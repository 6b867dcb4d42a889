"""The default channel layer: messages between the tasks and threads of one process.

`CHANNEL_LAYERS` names `InProcessChannelLayer` when there is no Redis; consumers, `sessions.events` and the
embedded tutor engine use it through Channels' ordinary interface. It never copies a message for each
receiver (a message is immutable once sent), never waits for a slow one (a full channel drops the newest
message, counted in `dropped`), and never reaches another process: `readerai_site.process_lock` keeps a
second one away.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import msgpack
from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer

SWEEP_SECONDS = 30.0


class Mailbox:
    """What waits on one channel: (deadline, message) pairs, and the receivers to be woken for them."""

    __slots__ = ("capacity", "messages", "waiters")

    def __init__(self, *, capacity: int):
        self.capacity = capacity
        self.messages: deque[tuple[float, dict[str, Any]]] = deque()
        self.waiters: deque[asyncio.Future[None]] = deque()

    def wake_one(self) -> None:
        """Wake the longest waiting receiver on its own loop; one whose loop is gone is passed over."""
        while self.waiters:
            waiter = self.waiters.popleft()
            loop = waiter.get_loop()
            if loop is _running_loop():
                if not waiter.done():
                    waiter.set_result(None)
                    return
                continue
            try:
                loop.call_soon_threadsafe(_resolve, waiter)
            except RuntimeError:  # the loop was closed with its receiver still waiting
                continue
            return


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class InProcessChannelLayer(InMemoryChannelLayer):
    """Channels' in-memory layer without its scan of every channel and group at every call.

    `capacity` messages wait on a channel (`channel_capacity`: glob pattern → other number) for at most
    `expiry` seconds; a channel that lets one expire is taken out of its groups, for its consumer is gone.
    Any thread and any event loop may send; a receiver is woken on its own loop. `strict` sends every
    message through msgpack, as the Redis layer would, and raises TypeError where msgpack refuses: tests
    and DEBUG use it so that both layers take the same messages.

    `dropped` counts lost messages: `capacity` (the channel was full), `expired` (nobody took it in time).
    """

    joins_processes = False

    def __init__(self, *, expiry: float = 60, group_expiry: float = 86_400, capacity: int = 1_000,
                 channel_capacity: dict[str, int] | None = None, strict: bool = False):
        super().__init__(expiry=expiry, group_expiry=group_expiry, capacity=capacity,
                         channel_capacity=self.compile_capacities(channel_capacity or {}))
        self.strict = strict
        self.dropped: Counter[str] = Counter()
        self.channels: dict[str, Mailbox] = {}
        self.groups: dict[str, dict[str, float]] = {}
        # Held for a few dictionary operations, never across an await: views send from worker threads.
        self._lock = threading.Lock()
        self._next_sweep = time.monotonic() + SWEEP_SECONDS

    # ---------------------------------------------------------------- channels

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put `message` on `channel`; raise ChannelFull, and count it, when `capacity` wait there."""
        self.require_valid_channel_name(channel)
        item = self._item(message)
        with self._lock:
            self._sweep_when_due()
            delivered = self._put(channel, item)
        if not delivered:
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the oldest message on `channel`, waiting for one if need be; each goes to one receiver."""
        self.require_valid_channel_name(channel)
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                self._sweep_when_due()
                mailbox = self._mailbox(channel)
                while mailbox.messages:
                    deadline, message = mailbox.messages.popleft()
                    if not mailbox.messages and not mailbox.waiters:
                        del self.channels[channel]
                    if deadline >= time.monotonic():
                        return message
                    self.dropped["expired"] += 1
                mailbox = self._mailbox(channel)
                waiter = loop.create_future()
                mailbox.waiters.append(waiter)
            try:
                await waiter
            except BaseException:
                self._give_up(channel, waiter)
                raise

    async def flush(self) -> None:
        """Forget every message and every group; receivers that wait go on waiting."""
        with self._lock:
            self.groups.clear()
            self.channels = {name: mailbox for name, mailbox in self.channels.items() if mailbox.waiters}
            for mailbox in self.channels.values():
                mailbox.messages.clear()

    # ---------------------------------------------------------------- groups

    async def group_add(self, group: str, channel: str) -> None:
        """Add `channel` to `group`; adding it again renews its membership."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self.groups.setdefault(group, {})[channel] = time.monotonic()

    async def group_discard(self, group: str, channel: str) -> None:
        """Take `channel` out of `group`; no error when it is not in it."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            members = self.groups.get(group)
            if members is not None:
                members.pop(channel, None)
                if not members:
                    del self.groups[group]

    async def occupied(self, addresses: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return those (group, channel) whose group has a member beside that channel: nothing need be made for others."""
        with self._lock:
            return [(group, channel) for group, channel in addresses
                    if (members := self.groups.get(group)) and len(members) > (channel in members)]

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send `message` to every channel of `group`; full channels miss it, counted in `dropped`."""
        self.require_valid_group_name(group)
        item = self._item(message)
        with self._lock:
            self._sweep_when_due()
            for channel in self.groups.get(group, ()):
                self._put(channel, item)

    # ---------------------------------------------------------------- inside, with the lock held

    def _mailbox(self, channel: str) -> Mailbox:
        mailbox = self.channels.get(channel)
        if mailbox is None:
            mailbox = self.channels[channel] = Mailbox(capacity=self.get_capacity(channel))
        return mailbox

    def _put(self, channel: str, item: tuple[float, dict[str, Any]]) -> bool:
        mailbox = self._mailbox(channel)
        if len(mailbox.messages) >= mailbox.capacity:
            self.dropped["capacity"] += 1
            return False
        mailbox.messages.append(item)
        mailbox.wake_one()
        return True

    def _sweep_when_due(self) -> None:
        # On the clock of the calls themselves: a timer task would belong to one of several event loops.
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        gone = set()
        for channel, mailbox in list(self.channels.items()):
            while mailbox.messages and mailbox.messages[0][0] < now:
                mailbox.messages.popleft()
                self.dropped["expired"] += 1
                gone.add(channel)
            if not mailbox.messages and not mailbox.waiters:
                del self.channels[channel]
        for group, members in list(self.groups.items()):
            stale = [name for name, joined in members.items()
                     if name in gone or joined < now - self.group_expiry]
            for name in stale:
                del members[name]
            if not members:
                del self.groups[group]

    # ---------------------------------------------------------------- inside, without the lock

    def _item(self, message: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        if not isinstance(message, dict):
            raise TypeError("a channel layer message is a dict")
        if self.strict:
            try:
                message = msgpack.unpackb(msgpack.packb(message))
            except (TypeError, ValueError, OverflowError) as error:
                raise TypeError(f"msgpack refuses this message: {error}") from error
        return time.monotonic() + self.expiry, message

    def _give_up(self, channel: str, waiter: "asyncio.Future[None]") -> None:
        """Called when a receiver is cancelled: what it was woken for goes to the next one that waits."""
        with self._lock:
            mailbox = self.channels.get(channel)
            if mailbox is None:
                return
            try:
                mailbox.waiters.remove(waiter)
            except ValueError:
                if mailbox.messages:
                    mailbox.wake_one()
            if not mailbox.messages and not mailbox.waiters:
                del self.channels[channel]
