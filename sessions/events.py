"""Names of the groups, and the only place that pushes to sockets or wakes the tutor.

What is pushed is already encoded: a frame for a class of 5,000 is made once, not once per reader. Nothing
may depend on a push arriving. The database is the truth, this is its doorbell; a layer that is down is
logged, and the readers heal by their version counters.
"""

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer, get_channel_layer
from django.conf import settings
from django.db import transaction

from sessions import metrics

logger = logging.getLogger(__name__)

_silent_until: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, float]" = weakref.WeakKeyDictionary()

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


async def audible(addresses: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those (group, channel to leave out) at which somebody may be listening: one question for a whole batch.

    A socket that joins its group later reads its state later too, so nothing is lost on it.
    """
    found: set[tuple[str, str]] = set()

    async def ask(layer: BaseChannelLayer) -> None:
        found.update(await layer.occupied(addresses) if hasattr(layer, "occupied") else addresses)

    await _ring(ask)
    return found


async def push(group: str, frames: Iterable[str], *, exclude: str = "") -> None:
    """Send text frames, in order, to every socket of a group; `exclude` is the channel that was answered itself."""
    message = {"type": "push", "frames": list(frames)}
    if exclude:
        message["exclude"] = exclude
    await _ring(lambda layer: layer.group_send(group, message))


async def wake_tutor() -> None:
    """Tell the engine, wherever it runs, that the queue has something. Its sweep finds it without this too."""
    await _ring(lambda layer: layer.send(TUTOR_CHANNEL, {"type": "tutor.wake"}))


async def reach_layer() -> None:
    """Raise what keeps the channel layer from taking a message, if anything does. Nobody hears this one."""
    await get_channel_layer().group_send("probe", {"type": "push", "frames": []})


async def _ring(send: Callable[[BaseChannelLayer], Awaitable[None]]) -> None:
    """Send, but neither fail nor wait long: commits and leases stand behind whoever calls this.

    After a layer that says nothing at all, what comes in the next moments is left out rather than made to wait too.
    """
    loop = asyncio.get_running_loop()
    if loop.time() < _silent_until.get(loop, 0):
        metrics.UNDELIVERED["silent"].inc()
        return
    try:
        async with asyncio.timeout(settings.DURATIONS.layer):
            await send(get_channel_layer())
    except ChannelFull:
        metrics.UNDELIVERED["full"].inc()  # the engine has more than enough wake-ups waiting
    except TimeoutError:
        metrics.UNDELIVERED["timeout"].inc()
        _silent_until[loop] = loop.time() + settings.DURATIONS.healing
        logger.warning("The channel layer hangs; readers heal by version, the sweep finds the questions.")
    except Exception as error:
        metrics.UNDELIVERED["error"].inc()
        # One line: a Redis that is away fails every push of every reader.
        logger.warning("The channel layer failed; readers heal by version, the sweep finds the questions. %r", error)


def announce(frames: Mapping[str, str]) -> None:
    """Push {group: frame} after the running transaction has committed; for synchronous services.

    All of them in one visit to the event loop: each takes as long as a query.
    """
    async def push_all() -> None:
        for group, frame in frames.items():
            await push(group, [frame])

    transaction.on_commit(async_to_sync(push_all))
