"""Daphne's two protocols, each held to its own share of memory and time.

`readerai_site.server.Server` builds `HTTPFactory` and `WebSocketProtocol` for every connection. Here a
socket that reads slowly or floods is made to wait, and cut off when it takes nothing; a request body has
a greatest size; nothing is logged or shown that could hold a query string (tickets travel in it). It
decides nothing about who may connect: that is the application's.
"""

import asyncio
import time
from typing import Any

import daphne.http_protocol
import daphne.ws_protocol
from autobahn.twisted.websocket import ConnectionDeny
from django.conf import settings
from django.utils.translation import gettext as _
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.web import http
from zope.interface import implementer

from readerai_site.durations import INPUT_MESSAGES, LAST_BYTES, PIECE
from readerai_site.peers import bound_unsent

SERVICE_RESTART = 1012
# Beside an uploaded file a form holds fields and separators.
FORM_BYTES = 1024 * 1024
# A body that is too large is read and thrown away, so that the browser sees the 413; up to here.
DISCARD_BYTES = 256 * 1024 * 1024


class WebRequest(daphne.http_protocol.WebRequest):
    """One HTTP request: refuses a body that no page of ours takes, before it fills memory or disk."""

    error_template = "<!DOCTYPE html><title>%(title)s</title><h1>%(title)s</h1><p>%(body)s</p>"
    writable: asyncio.Event | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.body_bytes = 0
        # Django parses forms; Twisted would do so first, whole in memory, and throw the result away.
        self._parsePOSTFormSubmission = False

    def gotLength(self, length: int | None) -> None:
        """Called with the body's declared length, None for a chunked one."""
        super().gotLength(length if length is None or length <= self.body_limit() else 0)

    def handleContentChunk(self, data: bytes) -> None:
        """Called for each piece of the body."""
        self.body_bytes += len(data)
        if self.body_bytes <= self.body_limit():
            super().handleContentChunk(data)
        elif self.body_bytes > DISCARD_BYTES:
            self.channel.forceAbortClient()

    def process(self) -> Any:
        """Called when headers and body are complete."""
        if self.body_bytes > self.body_limit():
            self.basic_error(413, b"Content Too Large", _("What was sent is too large."))
            return None
        finished = super().process()
        if self.transport is None and self.channel is not None:
            # Upgraded: the channel has no more to do. It and the request hold each other, 8 KB a socket
            # that would otherwise wait for the garbage collector, which comes rarely.
            self.channel.requests.clear()
            self.channel = None
        return finished

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Write a piece of the response; while the server drains, the connection ends with it."""
        if message.get("type") == "http.response.start" and self.server.draining and self.channel:
            self.channel.persistent = False
            self.setHeader(b"connection", b"close")
        super().handle_reply(message)

    def handle_exception(self, exception: BaseException | None) -> None:
        """Called when the application failed, or (None) was cancelled at the end of a drain."""
        if exception is None:
            self.basic_error(503, b"Service Unavailable", _("The server restarts. Please try again."))
        else:
            super().handle_exception(exception)

    def body_limit(self) -> int:
        """Bytes a request's body may have; the forms' own, smaller limits give the friendlier answers."""
        return settings.LIMITS.upload_bytes + FORM_BYTES

    def __repr__(self) -> str:
        return f"<WebRequest client={self.client_addr!r}>"


class HTTPFactory(daphne.http_protocol.HTTPFactory):
    """Builds our requests where Daphne would build its own."""

    def buildProtocol(self, addr: Any) -> http.HTTPChannel:
        """Called for each new connection."""
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = WebRequest
        return protocol


@implementer(IPushProducer)
class WebSocketProtocol(daphne.ws_protocol.WebSocketProtocol):
    """One WebSocket, registered as its transport's producer, which gives `send` its back-pressure.

    `writable` is None, or the event that is set when a transport that was full is empty again.
    """

    writable: asyncio.Event | None = None
    progress: tuple[int, float] | None = None
    holds: frozenset[str] = frozenset()
    unparsed = b""
    last_bytes = 0
    request: Any = None

    # ---------------------------------------------------------------- called by Twisted and autobahn

    def connectionMade(self) -> None:
        """Called when the HTTP request has been upgraded and its transport handed over."""
        self.server = self.factory.server_class
        bound_unsent(self.transport.getHandle())
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Called with what the peer sent."""
        self.unparsed += data
        self.parse()

    def parse(self) -> None:
        """Parse what was read, as far as the application follows; after a close frame, as far as last words may go."""
        while self.unparsed and (self.is_closing or not self.holds):
            piece, self.unparsed = self.unparsed[:PIECE], self.unparsed[PIECE:]
            if self.is_closing:
                self.last_bytes += len(piece)
                if self.last_bytes > LAST_BYTES:
                    self.unparsed = b""
                    self.transport.abortConnection()
                    return
            super().dataReceived(piece)

    def onConnect(self, request: Any) -> Any:
        """Called with the handshake request; the answer comes when the application accepts or refuses."""
        if self.server.draining:
            raise ConnectionDeny(code=503, reason="Service restarting")
        return super().onConnect(request)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Called for each whole message; a socket far ahead of its application is not read further."""
        super().onMessage(payload, isBinary)
        if self.application_queue.qsize() >= INPUT_MESSAGES and not self.is_closing:
            self.hold("input")

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Called once, when the connection is over; without a request there never was an application."""
        self.server.unwatch(self)
        if self.request is not None:
            super().onClose(wasClean, code, reason)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Called by Twisted at the very end; autobahn's two events hold the protocol, so they go."""
        self.unparsed = b""
        super().connectionLost(reason)
        self.is_open = self.is_closed = None

    def pauseProducing(self) -> None:
        """Called at each write that finds the transport's buffer full: `send` waits, and the peer is not read meanwhile."""
        if self.writable is None:  # those who wait already wait for this one
            self.writable = asyncio.Event()
        self.hold("output")
        self.server.watch(self)

    def resumeProducing(self) -> None:
        """Called when everything that waited has been taken."""
        self.stopProducing()
        self.release("output")

    def stopProducing(self) -> None:
        """Called when the connection is lost: those who wait in `send` must not wait for ever."""
        if self.writable is not None:
            self.writable.set()
            self.writable = None

    # ---------------------------------------------------------------- called by the server

    def message_taken(self) -> None:
        """Called when the application has received a message from this socket."""
        if self.holds and self.application_queue.qsize() <= INPUT_MESSAGES // 2:
            self.release("input")

    @property
    def is_closing(self) -> bool:
        """True from the first close frame on, whoever sent it."""
        return self.state in (self.STATE_CLOSING, self.STATE_CLOSED)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        """Send one message. Data that still waits from before means a full kernel buffer: watch the peer."""
        if self.waiting_bytes():
            self.server.watch(self)
        # The limit is meant for what a peer sends. Autobahn holds our own messages to it too, and the snapshot of a room,
        # or of a reader with twenty long answers, is larger: such a page could never open.
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().serverSend(content, binary)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:
        """Close with any code of the protocol; `sendClose` would raise on 1001, 1011, 1012 and 1013."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else code)
        for reason in tuple(self.holds):
            self.release(reason)  # the peer's close frame must be read

    def abandon(self) -> None:
        """End a socket whose application has returned: nobody would ever take what it sends."""
        if self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            self.serverReject()
        else:
            self.serverClose()

    def restart(self) -> None:
        """Tell the peer that the server restarts: 1012, or 503 where the handshake is not answered yet."""
        if self.state == self.STATE_OPEN:
            self.serverClose(SERVICE_RESTART)
        elif self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            handshake = self.handshake_deferred
            del self.handshake_deferred
            self.server.protocol_disconnected(self)
            handshake.errback(ConnectionDeny(code=503, reason="Service restarting"))

    def check_timeouts(self) -> None:
        """Called every two seconds: a handshake has an end. Heartbeats are the application's."""
        if self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            if self.duration() > self.server.websocket_connect_timeout:
                self.serverReject()

    def stalled(self, *, seconds: float) -> bool | None:
        """Return True when data wait and the peer has taken none for `seconds`; None when nothing waits."""
        waiting = self.waiting_bytes()
        if not waiting:
            self.progress = None
            return None
        taken = self.trafficStats.outgoingOctetsWireLevel - waiting
        now = time.monotonic()
        if self.progress is None or self.progress[0] != taken:
            self.progress = (taken, now)
        return now - self.progress[1] >= seconds

    def waiting_bytes(self) -> int:
        """Bytes handed to the transport that the kernel has not taken."""
        transport = self.transport
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen

    # ---------------------------------------------------------------- reading from the peer

    def hold(self, reason: str) -> None:
        """Stop reading from the peer for one `reason`, "input" or "output"."""
        self.holds |= {reason}
        self.transport.pauseProducing()

    def release(self, reason: str) -> None:
        """Read on, once every reason to hold has gone."""
        self.holds -= {reason}
        if not self.holds:
            self.transport.resumeProducing()
            self.parse()
