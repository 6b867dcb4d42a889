"""Threads with a database connection of their own, for those who live in an event loop.

A connection stays with its thread: to borrow one from the pool for each call, have it checked and give it back costs
more than most of what is then asked of it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, InternalError, NotSupportedError, OperationalError, connection

from classrooms import database
from sessions.loops import PerLoop

logger = logging.getLogger(__name__)

IDLE = 2.0  # seconds after which a connection is looked at before it is used: the pulse comes every second
LIFETIME = 1_800.0  # seconds after which a new one takes its place
PREPARED_AFTER = 2  # times that a statement is asked of PostgreSQL before it keeps the plan
LOOKUPS = 4  # connections that read for the sockets of one process, but no more than a quarter of its pool


class DatabaseThreads:
    """`count` threads with one database connection each; functions given to `run` are executed there, in turn."""

    def __init__(self, name: str, count: int = 1):
        self._count = count
        self._executor = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)
        self._local = threading.local()

    async def run(self, function: Callable, /, *args, **kwargs):
        """Return what the function returns; raise what it raises.

        It runs once more if the connection broke, as all do when PostgreSQL restarts, even if the commit had been made:
        what may not happen twice knows a second time when it sees one, by a receipt, a token or a key.
        """
        return await sync_to_async(self._call, thread_sensitive=False, executor=self._executor)(function, args, kwargs)

    def _call(self, function: Callable, args: tuple, kwargs: dict):
        held = self._connection()
        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError, NotSupportedError, InternalError) as error:
            # The last two: a plan that a migration has made wrong, a server that only reads since a failover.
            if not isinstance(error, NotSupportedError | InternalError) and not database.is_lost(held):
                raise
            logger.warning("The database connection was of no more use (%s); what was asked is asked once more.", error)
            connection.close()
            self._connection()
            return function(*args, **kwargs)
        finally:
            self._local.used_at = time.monotonic()

    def _connection(self):
        """Return the driver's connection of this thread, a new one if the last is old or lost."""
        now, held = time.monotonic(), connection.connection
        if held is not None and (now - self._local.since > LIFETIME or (
                now - self._local.used_at > IDLE and database.is_lost(held))):
            connection.close()
        if connection.connection is None:
            connection.ensure_connection()
            self._local.since = now
            if connection.vendor == "postgresql":
                connection.connection.prepare_threshold = PREPARED_AFTER
        return connection.connection

    async def close(self) -> None:
        """Close the connections and let the threads end. What was given to `run` before is done first."""
        together = threading.Barrier(self._count)

        def leave():
            together.wait()  # no thread may take two of these
            connection.close()

        leaving = [self._executor.submit(leave) for _ in range(self._count)]
        self._executor.shutdown(wait=False)  # what comes after these would open a connection that nobody closes
        await asyncio.to_thread(wait, leaving)


def _make_lookups() -> DatabaseThreads:
    # SQLite's reads share the processor with the loop, and several threads would only take turns.
    count = 1 if connection.vendor == "sqlite" else max(1, min(LOOKUPS, settings.DATABASE_POOL // 4))
    return DatabaseThreads("lookups", count)


_lookups = PerLoop(_make_lookups)


def lookups() -> DatabaseThreads:
    """Return the running event loop's threads for reading, made at their first use."""
    return _lookups.get()


async def close_lookups() -> None:
    """Close the running loop's threads for reading, if it has any."""
    if (open_threads := _lookups.take()) is not None:
        await open_threads.close()
