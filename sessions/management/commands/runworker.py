"""`manage.py runworker tutor`: Channels' command with a worker that survives its layer and ends cleanly.

The worker runs the tutor engine and hands layer messages to `sessions.routing.channel_routing`; they only
wake the engine, so none of them has to arrive. It serves no socket and no page.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from channels.management.commands.runworker import Command as ChannelsCommand
from channels.worker import Worker as ChannelsWorker
from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from readerai_site import process_lock
from readerai_site.embedded import BackgroundWork, exit_at_once
from readerai_site.probe_port import open_probe_port
from sessions.background import Background
from sessions.routing import channel_routing

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
# As in the server: the rest of the drain ends what is still running when the engine's part is over.
ENGINE_SHARE = 0.9


class Worker(ChannelsWorker):
    """Runs `background` and listens on `channels` until SIGTERM or SIGINT.

    Channels' own worker dies of the first error of the layer, forgets an application's queue when a handler
    raises, takes in messages without limit, and is killed by SIGTERM in the middle of a call.
    """

    def __init__(self, *, application: Any, channels: list[str], channel_layer: Any,
                 background: BackgroundWork):
        super().__init__(application, channels, channel_layer)
        self.background = background
        self.stopping = asyncio.Event()

    def run(self) -> None:
        """Work until told to stop."""
        asyncio.run(self.handle())

    async def handle(self) -> None:
        """Start, listen, and drain for at most `DURATIONS.drain` seconds."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        probes = await self.open_probes()
        await self.background.start()
        tasks = []
        for channel in self.channels:
            # One place: what a busy handler has not taken waits in the layer, where others can take it.
            queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1)
            tasks += [
                asyncio.create_task(self.keep_going(self.listen, channel, queue)),
                asyncio.create_task(self.keep_going(self.answer, channel, queue)),
            ]
        await self.stopping.wait()
        if probes is not None:
            probes.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        drain = settings.DURATIONS.drain
        try:
            async with asyncio.timeout(drain):
                await self.background.stop(drain * ENGINE_SHARE)
        except TimeoutError:
            logger.warning("The engine was still running when the drain ended.")
            # A thread that is stuck would hold the event loop's end for ever.
            exit_at_once(0)

    @staticmethod
    async def open_probes() -> asyncio.Server | None:
        """Answer /livez, /readyz and /metrics where METRICS_PORT asks for it."""
        if not settings.METRICS_PORT:
            return None
        try:
            return await open_probe_port(settings.HOST, settings.METRICS_PORT)
        except OSError as error:
            raise CommandError(_("METRICS_PORT %(port)d of %(host)s cannot be opened: %(error)s.") % {
                "port": settings.METRICS_PORT, "host": settings.HOST, "error": error.strerror}) from None

    def interrupt(self) -> None:
        """Called at Ctrl-C: the first one drains, the second ends at once."""
        if self.stopping.is_set():
            exit_at_once(130)
        self.stopping.set()

    async def keep_going(self, work: Callable[..., Awaitable[None]], channel: str,
                         queue: "asyncio.Queue[dict[str, Any]]") -> None:
        """Run `work` for ever: again after every error, with a growing delay until it runs well."""
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY
        while True:
            started = loop.time()
            try:
                await work(channel, queue)
            except Exception as error:
                # The whole story once; an outage repeats it every few seconds.
                logger.error("The worker goes on after an error on channel %s: %s", channel, error,
                             exc_info=delay == FIRST_DELAY)
            if loop.time() - started > LONGEST_DELAY:
                delay = FIRST_DELAY
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def listen(self, channel: str, queue: "asyncio.Queue[dict[str, Any]]") -> None:
        """Take messages from the layer, one at a time."""
        while True:
            message = await self.channel_layer.receive(channel)
            if message.get("type"):
                await queue.put(message)
            else:
                logger.warning("A message without a type came on channel %s.", channel)

    async def answer(self, channel: str, queue: "asyncio.Queue[dict[str, Any]]") -> None:
        """Run the channel's consumer; when a message breaks it, the next run takes the next message."""
        scope = {"type": "channel", "channel": channel}
        await self.application(scope, queue.get, lambda message: self.application_send(scope, message))


def make_worker(**options: Any) -> Worker:
    """Called by the stock command to make its worker."""
    return Worker(**options, background=Background(embedded_engine=True, sockets=False))


class Command(ChannelsCommand):
    """The stock command's name and options, with our worker."""

    worker_class = staticmethod(make_worker)

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse what could never work, then work until SIGTERM."""
        if process_lock.layer_is_in_process():
            raise CommandError(
                _("runworker needs REDIS_URL: without Redis the serving process answers the questions."))
        for channel in options["channels"]:
            if channel not in channel_routing:
                raise CommandError(_("There is no channel %(channel)s; there is: %(known)s.") % {
                    "channel": channel, "known": ", ".join(sorted(channel_routing))})
        super().handle(*args, **options)
