"""An engine's sign of life: a row that it writes every few seconds, and takes away when it ends.

`tutor` owns one for each engine. It writes through the engine's own database thread, so that an engine whose thread
is stuck falls silent. A beat that fails is told and forgotten: nothing the engine does depends on it.
"""

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Callable

from django.conf import settings

from sessions.services import engines
from sessions.threads import DatabaseThreads

logger = logging.getLogger(__name__)


class Heartbeat:
    """`run` until cancelled; `running` is asked for the number of answers under way."""

    def __init__(self, database: DatabaseThreads, running: Callable[[], int]):
        self.id = uuid.uuid4()
        self._database = database
        self._running = running
        self._draining = self._left = False
        self._news = asyncio.Event()

    async def run(self) -> None:
        while not self._left:
            self._news.clear()
            try:
                await self._database.run(engines.beat, self.id, host=socket.gethostname(), pid=os.getpid(),
                                         running=self._running(), draining=self._draining)
            except Exception:
                logger.exception("The engine could not say that it lives.")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.DURATIONS.beat):
                    await self._news.wait()

    def drain(self) -> None:
        """Say at once that this engine takes no more questions."""
        self._draining = True
        self._news.set()

    async def leave(self) -> None:
        """Take the row away; a database that is gone keeps it, and it goes stale."""
        self._left = True
        try:
            await self._database.run(engines.leave, self.id)
        except Exception as error:
            logger.warning("The engine's row stays behind: %r", error)
