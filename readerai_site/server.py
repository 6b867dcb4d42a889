"""Our server: Daphne, with restarts that say so and with clients that can only hurt themselves.

`manage.py serve` opens the sockets (`readerai_site.listening`) and runs one `Server`. Stock Daphne cancels
applications on SIGTERM without a close frame, gives `send` no back-pressure and visits every connection
every second; here termination drains, and connections are handled by events. Importing this module
installs Twisted's asyncio reactor, so only `serve` imports it. It never logs a query string.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import daphne.server
from daphne.ws_protocol import WebSocketFactory
from django.conf import settings
from twisted.internet import reactor
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from readerai_site.connections import HTTPFactory, WebSocketProtocol
from readerai_site.embedded import EmbeddedEngine, exit_at_once, tune_interpreter
from readerai_site.peers import Inbox

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("readerai.access")

# A page or an export that has not answered after so long is answered 503.
HTTP_SECONDS = 120
# What a browser has to answer our close frame; autobahn's one second is short for a school's Wi-Fi.
CLOSE_SECONDS = 5
# The engine's part of the drain; the rest is left to end what is still running when it is over.
ENGINE_SHARE = 0.9


class Server(daphne.server.Server):
    """Serves `application` on `sockets` until SIGTERM or SIGINT, then drains.

    `ready` is called when connections are really accepted. `run` returns after the drain; `overdue` is
    then True when something had to be left running. It raises what kept the background work from starting.
    """

    def __init__(self, application: EmbeddedEngine, *, sockets: list[socket.socket],
                 ready: Callable[[], None], access_log: bool = False):
        super().__init__(
            application,
            endpoints=sockets,
            action_logger=self._log_access if access_log else None,
            http_timeout=HTTP_SECONDS,
            websocket_timeout=-1,
            websocket_connect_timeout=settings.DURATIONS.handshake,
            websocket_handshake_timeout=settings.DURATIONS.handshake,
            websocket_max_message_size=settings.WEBSOCKET_MAX_BYTES,
            websocket_max_frame_size=settings.WEBSOCKET_MAX_BYTES,
            ready_callable=ready,
            server_name="",
        )
        self.connections: dict[Any, dict[str, Any]] = {}
        self.draining = False
        self.overdue = False
        self._failure: BaseException | None = None
        self._watched: set[WebSocketProtocol] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- from start to end

    def run(self) -> None:
        """Serve until told to stop."""
        self.http_factory = HTTPFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.protocol = WebSocketProtocol
        self.ws_factory.setProtocolOptions(
            allowNullOrigin=True,  # Origin is the application's to judge, with its own answer
            openHandshakeTimeout=self.websocket_handshake_timeout,
            closeHandshakeTimeout=CLOSE_SECONDS,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )
        # Twisted reports every client that broke the rules; only its own failures are worth a line.
        failures = FilteringLogObserver(
            STDLibLogObserver(__name__), [LogLevelFilterPredicate(LogLevel.critical)])
        globalLogBeginner.beginLoggingTo([failures], redirectStandardIO=False, discardBuffer=True)
        loop = daphne.server.twisted_loop
        asyncio.set_event_loop(loop)
        reactor.callWhenRunning(lambda: self._spawn(self._begin()))
        # Our own handlers: Twisted's would stop the reactor at once.
        reactor.run(installSignalHandlers=False)
        if self._failure is not None:
            raise self._failure

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            await self.application.start()
        except Exception as error:
            self._failure = error
            reactor.stop()
            return
        if self.draining:
            return
        for listener in self.endpoints:
            self.listeners.append(
                reactor.adoptStreamPort(listener.fileno(), listener.family, self.http_factory))
            self.listening_addresses.append(listener.getsockname()[:2])
            listener.close()  # the reactor has its own copy; a second one would keep the port open
        reactor.callLater(2, self.timeout_checker)
        reactor.callLater(settings.DURATIONS.slow_reader / 5, self._check_watched)
        tune_interpreter()
        self.ready_callable()

    def _terminate(self) -> None:
        if not self.draining:
            self.draining = True
            self._spawn(self._drain())

    def _interrupt(self) -> None:
        if self.draining:
            exit_at_once(130)
        self._terminate()

    async def _drain(self) -> None:
        for port in self.listeners:
            port.stopListening()
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol):
                protocol.restart()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.DURATIONS.drain
        engine = loop.create_task(self.application.shutdown(drain=settings.DURATIONS.drain * ENGINE_SHARE))
        while (left := deadline - loop.time()) > 0:
            running = self._running() | ({engine} if not engine.done() else set())
            if not running:
                break
            await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        rest = self._running() | ({engine} if not engine.done() else set())
        for task in rest:
            task.cancel()
        if rest:
            logger.warning("%d tasks were still running when the drain ended.", len(rest))
            self.overdue = True
            await asyncio.wait(rest, timeout=1)
        if engine.done() and not engine.cancelled() and engine.exception():
            logger.error("The background work did not stop cleanly.", exc_info=engine.exception())
        reactor.stop()

    def _running(self) -> set[asyncio.Task[None]]:
        return {details["application_instance"] for details in self.connections.values()
                if "application_instance" in details}

    def _spawn(self, coroutine: Any) -> None:
        # The loop itself keeps only weak references to tasks.
        task = daphne.server.twisted_loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---------------------------------------------------------------- one connection's application

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Inbox | None:
        """Called by a protocol for its request; returns the queue of what its application receives."""
        details = self.connections.get(protocol)
        if details is None:
            return None
        queue = Inbox(asyncio.get_running_loop())
        receive = queue.get
        if isinstance(protocol, WebSocketProtocol):
            async def receive() -> dict[str, Any]:
                message = await queue.get()
                protocol.message_taken()
                return message
        scope.setdefault("asgi", {"version": "3.0"})
        task = asyncio.get_running_loop().create_task(
            self.application(scope, receive, partial(self.handle_reply, protocol)))
        details["application_instance"] = task
        task.add_done_callback(partial(self._application_ended, protocol))
        return queue

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Called when an application sends; a WebSocket whose peer reads too slowly makes it wait."""
        if "disconnected" in self.connections.get(protocol, {"disconnected": 0.0}) or (
                isinstance(protocol, WebSocketProtocol) and protocol.is_closing):
            # Autobahn would raise between the first close frame and the end of the connection, and an application that
            # fails never hears of its end. One that sends without end must still let the loop run, or nothing could stop it.
            await asyncio.sleep(0)
            return
        await super().handle_reply(protocol, message)
        if protocol.writable is not None and message["type"] == "websocket.send":
            await protocol.writable.wait()

    def protocol_disconnected(self, protocol: Any) -> None:
        """Called, perhaps twice, when a connection is over; its application has a while to notice."""
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = time.time()
        if "application_instance" in details:
            details["killer"] = reactor.callLater(
                self.application_close_timeout, self._kill, details["application_instance"])
        else:
            del self.connections[protocol]

    def _application_ended(self, protocol: Any, task: asyncio.Task[None]) -> None:
        details = self.connections[protocol]
        del details["application_instance"]
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            logger.error("An application failed: %r", protocol, exc_info=failure)
        if "disconnected" in details:
            if "killer" in details and details["killer"].active():
                details["killer"].cancel()
            del self.connections[protocol]
        elif failure is not None or task.cancelled():
            protocol.handle_exception(failure)
        elif isinstance(protocol, WebSocketProtocol):
            protocol.abandon()

    def _kill(self, task: asyncio.Task[None]) -> None:
        logger.warning("An application went on for %d s after its connection had ended.",
                       self.application_close_timeout)
        task.cancel()

    # ---------------------------------------------------------------- peers that do not read

    def watch(self, protocol: WebSocketProtocol) -> None:
        """Look after a socket for which data wait."""
        self._watched.add(protocol)

    def unwatch(self, protocol: WebSocketProtocol) -> None:
        """Forget a socket that is over."""
        self._watched.discard(protocol)

    def _check_watched(self) -> None:
        for protocol in list(self._watched):
            stalled = protocol.stalled(seconds=settings.DURATIONS.slow_reader)
            if stalled is None:
                self._watched.discard(protocol)
            elif stalled:
                logger.info("%r took nothing for too long.", protocol)
                protocol.transport.abortConnection()
        reactor.callLater(settings.DURATIONS.slow_reader / 5, self._check_watched)

    # ---------------------------------------------------------------- access log

    def _log_access(self, protocol: Any, action: str, details: dict[str, Any]) -> None:
        path = details["path"].partition("?")[0]
        access_logger.info("%s %s %s %s", details["client"], details.get("method", action), path,
                           details.get("status", ""))
