"""Names of the groups, and the only place that pushes to sockets or wakes the tutor.

What is pushed is already encoded: a frame for a class of 5,000 is made once, not once per reader. Nothing
may depend on a push arriving. The database is the truth, this is its doorbell; a layer that is down is
logged, and the readers heal by their version counters.
"""

import logging
from collections.abc import Iterable
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)

TUTOR_CHANNEL = "tutor"


def session_group(reading_session_id: UUID) -> str:
    """All sockets of one reading session."""
    return f"session.{reading_session_id.hex}"


def class_group(classroom_id: int) -> str:
    """All students' sockets of a class."""
    return f"class.{classroom_id}"


def room_group(classroom_id: int) -> str:
    """All teachers' sockets of a class."""
    return f"room.{classroom_id}"


async def push(group: str, frames: Iterable[str], *, exclude: str = "") -> None:
    """Send text frames, in order, to every socket of a group; `exclude` is the channel that was answered itself."""
    message = {"type": "push", "frames": list(frames)}
    if exclude:
        message["exclude"] = exclude
    try:
        await get_channel_layer().group_send(group, message)
    except Exception:
        logger.warning("The channel layer did not take a push; readers will heal by version.", exc_info=True)


async def wake_tutor() -> None:
    """Tell the engine, wherever it runs, that the queue has something. Its sweep finds it without this too."""
    try:
        await get_channel_layer().send(TUTOR_CHANNEL, {"type": "tutor.wake"})
    except ChannelFull:
        pass  # it has more than enough wake-ups waiting
    except Exception:
        logger.warning("The channel layer did not take a wake-up; the sweep will find the question.", exc_info=True)


def announce(group: str, *frames: str) -> None:
    """Push frames after the running transaction has committed; for synchronous services."""
    transaction.on_commit(lambda: async_to_sync(push)(group, frames))


def announce_work() -> None:
    """Wake the tutor after the running transaction has committed; for synchronous services."""
    transaction.on_commit(lambda: async_to_sync(wake_tutor)())
