"""Many sockets' writes, one commit.

A commit costs the same for one row and for 64, so each process has one writer: it takes what is waiting,
up to `LIMITS.batch` writes, runs them in one transaction on a thread of its own and only then resolves the
futures. What a write does is a function that a service gives; nothing here knows what a question is.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection

from classrooms import database
from classrooms.database import transaction
from sessions import errors, events, failpoints, messages, metrics, statements
from sessions.loops import PerLoop
from sessions.models import Interruption
from sessions.statements import LockedSession, NewInterruption, StoredReceipt
from sessions.threads import DatabaseThreads

__all__ = ["Batch", "ReceiptKey", "Reply", "Write", "Writer", "body_hash", "transaction", "write_now", "writer"]

logger = logging.getLogger(__name__)

# Seconds that a batch waits at most for as many as were here a moment ago, if they were a company. One that starts with the
# first frame of many holds one write, and costs the others, who are being read meanwhile, more than it saves that one.
GATHERING = 0.004
COMPANY = 3

Frame = str | Callable[[], str]  # a text frame, or what makes it if somebody is there to hear it


@dataclass(slots=True)  # a frozen one takes four times as long to make
class ReceiptKey:
    """A durable message as the client names it. `body_hash` tells a resent one from another under its id."""

    message_id: UUID
    type: str
    body_hash: bytes


@dataclass(slots=True)
class Reply:
    """What is answered to a message: its type and payload, and the number it gave the session, if any."""

    type: str
    payload: dict
    version: int | None = None
    repeated: bool = False  # the stored answer to a message that came before

    def encode(self, *, in_reply_to: UUID | None = None) -> str:
        """Return the text frame."""
        return messages.frame_of(self.type, self.payload, in_reply_to=in_reply_to, version=self.version)

    def stored(self) -> dict:
        return {"type": self.type, "payload": self.payload, "version": self.version}


@dataclass(slots=True)
class Write:
    """One waiting write: `apply(reading_session, batch)` changes the locked session and returns a Reply or None."""

    reading_session_id: UUID
    apply: Callable[[LockedSession, "Batch"], Reply | None]
    receipt: ReceiptKey | None = None
    interruption_id: UUID | None = None  # the question it changes, locked for it in the order of all locks


@dataclass(slots=True)
class Batch:
    """What the writes of one transaction share and leave behind."""

    now: datetime
    reading_sessions: dict[UUID, LockedSession]
    interruptions: list[NewInterruption] = field(default_factory=list)
    receipts: list[StoredReceipt] = field(default_factory=list)
    changed: set[UUID] = field(default_factory=set)
    pushes: dict[tuple[str, str], list[Frame]] = field(default_factory=dict)  # (group, exclude) -> frames
    wakes_tutor: bool = False
    memo: dict[str, Any] = field(default_factory=dict)  # what one query found out for all writes of the batch

    def next_version(self, reading_session: LockedSession) -> int:
        """Take the session's next number. Its row is locked to the commit, so n + 1 waits for n and no gap shows."""
        reading_session.version += 1
        self.changed.add(reading_session.pk)
        return reading_session.version

    def push(self, group: str, frame: Frame, *, exclude: str = "") -> None:
        """Send a frame to a group after the commit, to all but the socket that is answered itself.

        A function is called then, and only if there is anyone: most sessions have one socket, most classes no room open.
        """
        self.pushes.setdefault((group, exclude), []).append(frame)


def body_hash(type: str, payload: dict) -> bytes:
    """Return 32 bytes that are equal for equal messages, whatever the order of their keys."""
    return hashlib.sha256(_sorted_json([type, payload]).encode()).digest()


_sorted_json = json.JSONEncoder(sort_keys=True).encode


def run_batch(writes: list[Write]) -> tuple[list[Reply | None | Exception], Batch | None]:
    """Run writes in one transaction and return an outcome for each, in order, and the batch to announce.

    If the transaction raises, each write runs alone and only the bad one fails; raises where the database is away.
    """
    held = connection.connection
    try:
        return _commit(writes)
    except Exception as error:
        if database.is_lost(held):
            raise
        if len(writes) == 1:
            if not isinstance(error, errors.Refused):
                logger.exception("A write failed.")
            return [error], None
    outcomes, merged = [], None
    for write in writes:
        (outcome,), batch = run_batch([write])
        outcomes.append(outcome)
        merged = _merge(merged, batch)
    return outcomes, merged


def _commit(writes: list[Write]) -> tuple[list[Reply | None | Exception], Batch]:
    with transaction():
        ids = {write.reading_session_id for write in writes}
        statements.lock_sessions(ids)
        batch = Batch(now=database.now(), reading_sessions=statements.read_sessions(ids))
        _lock_interruptions(writes)
        receipts = _receipts_of(writes)
        outcomes = [_apply(write, batch, receipts) for write in writes]
        statements.store_interruptions(batch.interruptions)
        statements.store_receipts(batch.receipts, now=batch.now)
        statements.store_sessions([batch.reading_sessions[id] for id in batch.changed], now=batch.now)
        failpoints.hit("before_batch_commit")
    failpoints.hit("after_batch_commit")
    return outcomes, batch


def _lock_interruptions(writes: list[Write]) -> None:
    """Lock the questions that will change, by pk: in the order of the writes, a renewal of leases could lock crosswise."""
    wanted = {write.interruption_id for write in writes if write.interruption_id}
    if wanted:
        list(Interruption.objects.select_for_update().order_by("pk").filter(pk__in=wanted).only("pk"))


def _apply(write: Write, batch: Batch, receipts: dict) -> Reply | None | Exception:
    reading_session = batch.reading_sessions.get(write.reading_session_id)
    if reading_session is None:
        return errors.SessionGone()
    key = write.receipt
    if key is not None:
        known = receipts.get((reading_session.pk, key.message_id))
        if known is not None:
            if known.body_hash != key.body_hash:
                return errors.Conflict()
            return Reply(**known.reply, repeated=True)
    try:
        reply = write.apply(reading_session, batch)
    except errors.Refused as error:
        return error
    if key is not None:
        receipt = StoredReceipt(reading_session.pk, key.message_id, key.type, key.body_hash, reply.stored())
        receipts[reading_session.pk, key.message_id] = receipt
        batch.receipts.append(receipt)
    return reply


def _receipts_of(writes: list[Write]) -> dict[tuple[UUID, UUID], StoredReceipt]:
    keys = [(write.reading_session_id, write.receipt.message_id) for write in writes if write.receipt is not None]
    known = statements.read_receipts(keys) if keys else []
    return {(receipt.reading_session_id, receipt.message_id): receipt for receipt in known}


def _merge(first: Batch | None, second: Batch | None) -> Batch | None:
    """Join what two committed batches leave to announce."""
    if first is None or second is None:
        return first or second
    for key, frames in second.pushes.items():
        first.pushes.setdefault(key, []).extend(frames)
    first.wakes_tutor |= second.wakes_tutor
    return first


async def _announce(batch: Batch) -> None:
    heard = await events.audible(batch.pushes) if batch.pushes else ()
    for (group, exclude), frames in batch.pushes.items():
        if (group, exclude) in heard:
            try:
                made = [frame if isinstance(frame, str) else frame() for frame in frames]
            except Exception:  # what is committed stays so, and others' writes go on
                logger.exception("A frame could not be made; readers heal by version.")
                continue
            await events.push(group, made, exclude=exclude)
    if batch.wakes_tutor:
        await events.wake_tutor()


def write_now(write: Write) -> Reply:
    """Commit one write in this thread, for those who have no event loop; return its reply or raise its error."""
    (outcome,), batch = run_batch([write])
    if isinstance(outcome, Exception):
        raise outcome
    async_to_sync(_announce)(batch)
    return outcome


class Writer:
    """The writer of one event loop. `submit` waits for the commit; `run` puts a function into the same thread."""

    def __init__(self):
        self._thread = DatabaseThreads("writer")
        self._waiting: deque[tuple[Write, asyncio.Future]] = deque()
        self._task: asyncio.Task | None = None
        self._crowd = 0  # how many writes were under way when the last batch ended, its own among them
        self._all_here: asyncio.Future[None] | None = None  # while a batch waits for company
        self.committed = 0
        self.batches = 0

    async def submit(self, write: Write) -> Reply | None:
        """Return the write's reply once it is committed; raise its error (`errors.Refused` or a database's)."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._all_here is not None and len(self._waiting) >= self._crowd:
            _resolve(self._all_here)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    async def run(self, function: Callable, /, *args, **kwargs):
        return await self._thread.run(function, *args, **kwargs)

    async def _drain(self) -> None:
        while self._waiting:
            if COMPANY <= self._crowd and len(self._waiting) < self._crowd:
                await self._gather()
            taken = [self._waiting.popleft() for _ in range(min(settings.LIMITS.batch, len(self._waiting)))]
            started = time.perf_counter()
            try:
                outcomes, batch = await self._thread.run(run_batch, [write for write, _ in taken])
            except Exception as error:  # the thread itself failed: no connection to be had, for one
                outcomes, batch = [error] * len(taken), None
            self.batches += 1
            self._crowd = min(settings.LIMITS.batch, len(taken) + len(self._waiting))
            self.committed += len(taken)
            metrics.BATCH_WRITES.observe(len(taken))
            metrics.BATCH_SECONDS.observe(time.perf_counter() - started)
            for (_, future), outcome in zip(taken, outcomes, strict=True):
                if future.done():
                    continue  # the socket went away; what it wrote is kept all the same
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
            if batch is not None:
                await _announce(batch)

    async def _gather(self) -> None:
        """Wait until as many are here as a moment ago, but not for long."""
        loop = asyncio.get_running_loop()
        self._all_here = loop.create_future()
        patience = loop.call_later(GATHERING, _resolve, self._all_here)
        await self._all_here
        patience.cancel()
        self._all_here = None

    async def close(self) -> None:
        if self._task is not None:
            await self._task
        await self._thread.close()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


_writers = PerLoop(Writer)


def writer() -> Writer:
    """Return the running event loop's writer, made at its first use."""
    return _writers.get()


async def close_writer() -> None:
    """Finish what is waiting and close the running loop's writer, if it has one."""
    if (open_writer := _writers.take()) is not None:
        await open_writer.close()
