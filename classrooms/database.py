"""How this project writes to its database: one kind of transaction, one clock.

Services of both apps write inside `transaction()`. Reads are never wrapped in it.
"""

import contextlib
import threading
from datetime import datetime

from django.db import connection
from django.db import transaction as django_transaction
from django.utils import timezone

# SQLite has one writer, and its own waiting is a poll: a page's write beside a busy group writer waited up
# to 1.9 s in it, 17 ms behind this lock. Reentrant, because a service may call another.
_sqlite_writer = threading.RLock()


@contextlib.contextmanager
def transaction():
    """Run the block in one transaction, queueing fairly for SQLite's single writer where that is the database."""
    lock = _sqlite_writer if connection.vendor == "sqlite" else contextlib.nullcontext()
    with lock, django_transaction.atomic():
        yield


def now() -> datetime:
    """Return the database's clock, the one that leases and deadlines are measured by on every machine."""
    if connection.vendor == "sqlite":
        return timezone.now()  # the same machine, the same clock
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def is_lost(held) -> bool:
    """True when `held`, what this thread's `connection.connection` was, is of no more use: all are lost in a failover.

    Django may have put a new one into its place since, at the end of the transaction in which it broke.
    """
    if connection.in_atomic_block:
        return False
    was_replaced = held is not None and connection.connection is not held
    return was_replaced or connection.connection is None or not connection.is_usable()
