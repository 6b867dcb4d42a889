"""Tutor engines without a web process around them, and an ear on what they tell: a helper of the engine's tests."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from channels.layers import get_channel_layer

from sessions import events, messages
from sessions.models import Interruption
from sessions.tutor import TutorEngine
from tests.people import PATIENCE, Person, stored

OUTCOMES = ("INTERRUPTION_RESPONSE", "INTERRUPTION_ERROR")


@contextlib.asynccontextmanager
async def engines(count: int = 1, *, drain: float = 1) -> AsyncIterator[list[TutorEngine]]:
    """Run engines, each with its own thread and connection; stop them at the end."""
    running = [TutorEngine() for _ in range(count)]
    tasks = [asyncio.create_task(engine.run()) for engine in running]
    try:
        yield running
    finally:
        await asyncio.gather(*[engine.stop(drain=drain) for engine in running])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Ear:
    """Hears what the sockets of some reading sessions would be pushed; `frames` keeps all of it, in order."""

    def __init__(self, channel: str):
        self._channel = channel
        self.frames: list[dict[str, Any]] = []

    async def next(self) -> list[dict[str, Any]]:
        """Wait for the next push; return its frames."""
        async with asyncio.timeout(PATIENCE):
            event = await get_channel_layer().receive(self._channel)
        frames = [json.loads(frame) for frame in event["frames"]]
        self.frames += frames
        return frames

    async def hears(self, *types: str) -> dict[str, Any]:
        """Wait for the next frame of one of these types; return its payload."""
        while True:
            for frame in await self.next():
                if frame["type"] in types:
                    return frame["payload"]

    async def outcomes(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until `count` outcomes have come in all; return them."""
        while len(self.told(*OUTCOMES)) < count:
            await self.next()
        return self.told(*OUTCOMES)

    def told(self, *types: str) -> list[dict[str, Any]]:
        """Return the payloads of these types heard so far."""
        return [frame["payload"] for frame in self.frames if frame["type"] in types]


@contextlib.asynccontextmanager
async def ear(*people: Person) -> AsyncIterator[Ear]:
    """Listen to these students' reading sessions."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    groups = [events.session_group(person.reading_session.pk) for person in people]
    for group in groups:
        await layer.group_add(group, channel)
    try:
        yield Ear(channel)
    finally:
        for group in groups:
            await layer.group_discard(group, channel)


async def row_of(interruption: Interruption) -> Interruption:
    """Return the question as it is stored now."""
    return await stored(Interruption.objects.get, pk=interruption.pk)


async def eventually(interruption: Interruption, seen: Callable[[Interruption], bool]) -> Interruption:
    """Read a row again and again until it is as wanted, where nothing is told that could be awaited."""
    async with asyncio.timeout(PATIENCE):
        while not seen(row := await row_of(interruption)):  # noqa: ASYNC110 - a row raises no event
            await asyncio.sleep(0.01)
    return row


def delta_applied(text: str, delta: dict[str, Any]) -> str | None:
    """Return a page's text after a delta, as the protocol has it; None when the page must ask RESTORE."""
    return text[:delta["fromChar"]] + delta["text"] if len(text) >= delta["fromChar"] else None


def is_delta(frame: dict[str, Any]) -> bool:
    return frame["type"] == messages.InterruptionResponseDelta.type
