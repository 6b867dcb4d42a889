"""The outermost ASGI wrapper: what runs beside the requests starts and stops here.

`readerai_site.asgi` wraps the application in `EmbeddedEngine`; `serve` calls its `start` and `shutdown`,
uvicorn reaches them through the ASGI lifespan, and under any other server the first scope starts them. With
the in-process channel layer the process lock is taken first. It never looks inside a request.
"""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings

from readerai_site import process_lock

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_SECONDS = 5.0


class BackgroundWork(Protocol):
    """What runs beside the requests of one event loop; `sessions.background.Background` is the real one."""

    async def start(self) -> None:
        """Start the engine and the watchers."""

    async def stop(self, drain: float) -> None:
        """Stop claiming at once and let what runs finish, for at most `drain` seconds."""


def tune_interpreter() -> None:
    """Keep the cyclic collector away from what lives long, and let threads take short turns. Call once, after start-up.

    At 10,000 sockets a default full collection walks about a million objects and stops every reader for a
    second or more. What start-up made is never garbage, so it is frozen; later collections become rare,
    yet not so rare that the cycles which closed sockets leave behind pile up. The youngest are looked through in 25 ms at
    most: 100,000 at once took 50, in which nobody was heard.

    A thread gives the interpreter away at each call of the database and gets it back, from one that computes, after a
    whole turn: Python's 5 ms would make a batch of ten statements wait 50 for one long snapshot.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 40, 20)
    sys.setswitchinterval(0.0005)


def exit_at_once(status: int) -> None:
    """End the process now, whatever its threads and tasks are doing; only what was printed is written out."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class EmbeddedEngine:
    """ASGI application around `application`, with one `BackgroundWork` for each event loop that serves it.

    `make_background` is called with `embedded_engine=settings.TUTOR_EMBEDDED`: True when the tutor engine
    lives in this process, False when separate workers answer.
    """

    def __init__(self, application: Application, *, make_background: Callable[..., BackgroundWork]):
        self.application = application
        self.make_background = make_background
        self._starts: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[BackgroundWork]] = (
            WeakKeyDictionary())
        self._retry_at: WeakKeyDictionary[asyncio.AbstractEventLoop, float] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; the first one of an event loop starts the background work."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # A channel worker runs its own background work and stops it itself.
        if scope["type"] != "channel":
            await self._start_if_needed()
        await self.application(scope, receive, send)

    async def start(self) -> None:
        """Start the background work of the running loop, once; later calls wait for the same start.

        Ends the process with status 1 when another process holds the database's lock.
        """
        loop = asyncio.get_running_loop()
        task = self._starts.get(loop)
        if task is None:
            try:
                process_lock.acquire()
            except process_lock.SecondProcess as refusal:
                print(refusal, file=sys.stderr)
                # Not sys.exit: uvicorn's lifespan and Daphne's reactor both swallow a SystemExit raised
                # inside a task, and would go on serving. Nothing has been accepted yet, so nothing is lost.
                exit_at_once(1)
            task = self._starts[loop] = loop.create_task(self._make_and_start())
        try:
            # Shielded: the scope that came first may be cancelled, the others still need the start.
            await asyncio.shield(task)
        except Exception:
            if self._starts.get(loop) is task:
                del self._starts[loop]
            raise

    async def shutdown(self, *, drain: float | None = None) -> None:
        """Stop the running loop's background work, giving it `drain` seconds (default: settings)."""
        task = self._starts.pop(asyncio.get_running_loop(), None)
        if task is None:
            return
        try:
            background = await task
        except Exception:
            return  # it never started; `start` has said so
        await background.stop(settings.DURATIONS.drain if drain is None else drain)

    async def _make_and_start(self) -> BackgroundWork:
        background = self.make_background(embedded_engine=settings.TUTOR_EMBEDDED)
        await background.start()
        return background

    async def _start_if_needed(self) -> None:
        loop = asyncio.get_running_loop()
        task = self._starts.get(loop)
        if task is not None and task.done() and not task.cancelled() and task.exception() is None:
            return
        if loop.time() < self._retry_at.get(loop, 0.0):
            return
        try:
            await self.start()
        except Exception:
            # Pages must still say what is wrong (a database that is away); the start is tried again.
            self._retry_at[loop] = loop.time() + RETRY_SECONDS
            logger.exception("The background work did not start; next attempt in %d s.", RETRY_SECONDS)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as error:
                    logger.exception("The background work did not start.")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                tune_interpreter()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return
