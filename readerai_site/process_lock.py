"""One process at a time for the in-process channel layer.

The outermost ASGI application, `serve` and `runworker` ask here before they start: a second process on the
same database would neither hear the first one's events nor share its limit of model calls. The lock is the
operating system's, so it ends with the process, even by `kill -9`; the file itself stays. Nothing here
knows what the process does once it is alone.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connections
from filelock import FileLock, Timeout

MESSAGE = "a second process needs REDIS_URL"

_held: dict[Path, FileLock] = {}


class SecondProcess(Exception):
    """Another process already serves this database with the in-process channel layer."""

    def __init__(self) -> None:
        super().__init__(MESSAGE)


def layer_is_in_process() -> bool:
    """True when the default channel layer joins only the tasks of this process."""
    return not getattr(get_channel_layer(), "joins_processes", True)


def lock_path(database: dict[str, Any]) -> Path | None:
    """Return the lock file for a Django database settings dict; None for one that lives in memory.

    Beside a SQLite file; for a database server, in the temporary directory under a name made of its address.
    """
    name = str(database["NAME"])
    if not database["ENGINE"].endswith("sqlite3"):
        address = "|".join(str(database.get(key, "")) for key in ("HOST", "PORT", "NAME"))
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"readerai-{digest}.lock"
    if name == ":memory:" or "mode=memory" in name:
        return None
    if not Path(name).is_absolute():
        name = str(Path(settings.BASE_DIR) / name)
    path = Path(name).resolve()
    return path.with_name(path.name + ".lock")


def acquire() -> None:
    """Take the lock for this process, once; raise SecondProcess when another holds it.

    With a layer that several processes share (Redis) there is nothing to lock.
    """
    if not layer_is_in_process():
        return
    path = lock_path(connections["default"].settings_dict)
    if path is None or path in _held:
        return
    # Not tied to a thread: whoever stops the process need not be the thread that started it.
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise SecondProcess from None
    _held[path] = lock


def release() -> None:
    """Give the lock back before the process ends; tests that start several servers in turn use it."""
    while _held:
        _, lock = _held.popitem()
        lock.release()
