"""What runs beside the requests of one event loop: the pulse of the sockets, and the tutor engine.

`readerai_site.embedded` starts it in a web process, `manage.py runworker` in a worker. Where the engine is
embedded it listens on the channel that a worker would be woken by.
"""

import asyncio
import contextlib
import logging
import weakref

from channels.layers import get_channel_layer

from sessions import events
from sessions.pulse import pulse
from sessions.threads import close_lookups
from sessions.tutor import TutorEngine
from sessions.writes import close_writer

logger = logging.getLogger(__name__)

_engines: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, TutorEngine]" = weakref.WeakKeyDictionary()


def wake() -> None:
    """Make the running loop's engine look at the queue, if there is one here."""
    engine = _engines.get(asyncio.get_running_loop())
    if engine is not None:
        engine.wake()


class Background:
    """Start it once in an event loop, stop it there. A web process has sockets; a worker has only the engine."""

    def __init__(self, *, embedded_engine: bool, sockets: bool = True):
        self._has_engine = embedded_engine
        self._has_sockets = sockets
        self._tasks: list[asyncio.Task] = []

    async def start(self) -> None:
        if self._has_sockets:
            self._tasks.append(asyncio.create_task(pulse().run()))
        if self._has_engine:
            engine = _engines[asyncio.get_running_loop()] = TutorEngine()
            self._tasks.append(asyncio.create_task(engine.run()))
            if self._has_sockets:
                self._tasks.append(asyncio.create_task(self._listen()))

    async def stop(self, drain: float) -> None:
        """Stop claiming, let answers finish for `drain` seconds, store the last presence, close the threads."""
        engine = _engines.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.stop(drain=drain)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._has_sockets:
            with contextlib.suppress(Exception):
                await pulse().flush()
        await close_writer()
        await close_lookups()

    async def _listen(self) -> None:
        while True:
            try:
                await get_channel_layer().receive(events.TUTOR_CHANNEL)
                wake()
            except Exception:
                logger.exception("The channel layer is away; the sweep goes on without it.")
                await asyncio.sleep(1)
