"""The cheapest WebSocket client that speaks the protocol, so that the load generator is not what is measured.

`client` opens some thousands of these in one event loop. It reads a frame's type from its first bytes and
parses nothing else, masks with zeros (the server unmasks all the same), and never reconnects.
"""

import asyncio
import base64
import os
import struct
from collections.abc import Callable

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
ADDRESSES = 8
NO_MASK = b"\0\0\0\0"
TYPE_START = b'{"type":"'  # both designs' servers write the type first, without spaces


class HandshakeRefused(Exception):
    """The server answered with something other than 101, or not at all."""


class Socket(asyncio.Protocol):
    """One connection. `heard(socket, type, frame)` is called with each text frame, `lost(socket)` once."""

    __slots__ = ("number", "opened", "close_code", "closing", "asked", "_heard", "_lost", "_request", "_buffer",
                 "_transport")

    def __init__(self, number: int, *, host: str, path: str, headers: dict[str, str],
                 heard: Callable[["Socket", bytes, bytes], None], lost: Callable[["Socket"], None]):
        self.number = number
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.close_code: int | None = None
        self.closing = False
        self.asked: list[float] = []  # when the questions that wait for an acknowledgement were due (loop seconds)
        self._heard = heard
        self._lost = lost
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
                 *(f"{name}: {value}" for name, value in headers.items())]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._buffer = b""
        self._transport: asyncio.Transport

    # Called by the event loop

    def connection_made(self, transport):
        self._transport = transport
        transport.write(self._request)
        self._request = b""

    def data_received(self, data):
        buffer = self._buffer + data if self._buffer else data
        if not self.opened.done():
            head, found, buffer_after = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = buffer
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(HandshakeRefused(head.partition(b"\r\n")[0].decode("latin1")))
                self._transport.abort()
                return
            self.opened.set_result(None)
            buffer = buffer_after
        self._buffer = self._take_frames(buffer)

    def connection_lost(self, error):
        if not self.opened.done():
            self.opened.set_exception(HandshakeRefused(str(error or "the connection ended")))
        elif not self.closing:
            self._lost(self)

    def _take_frames(self, buffer: bytes) -> bytes:
        """Deliver every whole frame and return what is left over. Servers do not mask."""
        start, end = 0, len(buffer)
        while end - start >= 2:
            length, body = buffer[start + 1], start + 2
            if length == 126:
                body += 2
                if end < body:
                    break
                length = int.from_bytes(buffer[start + 2:body], "big")
            elif length == 127:
                body += 8
                if end < body:
                    break
                length = int.from_bytes(buffer[start + 2:body], "big")
            if end < body + length:
                break
            self._take(buffer[start] & 0x0F, buffer[body:body + length])
            start = body + length
        return buffer[start:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            if payload.startswith(TYPE_START):
                self._heard(self, payload[9:payload.index(b'"', 9)], payload)
        elif opcode == PING:
            self._transport.write(frame(payload, opcode=PONG))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            if not self.closing:
                self._transport.write(frame(payload[:2], opcode=CLOSE))

    # Called by the load generator

    def send(self, made: bytes) -> None:
        """Send what `frame` made. On a connection that was lost nothing happens: `lost` has counted it."""
        if not self._transport.is_closing():
            self._transport.write(made)

    def close(self) -> None:
        """Say good-bye and hang up."""
        self.closing = True
        self.send(frame(struct.pack("!H", 1000), opcode=CLOSE))
        self._transport.close()


def frame(payload: bytes, *, opcode: int = TEXT) -> bytes:
    """Return a whole client frame of fewer than 64 KiB."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + NO_MASK + payload


async def open_socket(number: int, *, port: int, path: str, headers: dict[str, str], heard, lost) -> Socket:
    """Return a socket whose handshake is done; raise HandshakeRefused or OSError.

    They come from several addresses of this machine: one has ports for 28,000 connections, less those that are ending.
    """
    _, socket = await asyncio.get_running_loop().create_connection(
        lambda: Socket(number, host=f"127.0.0.1:{port}", path=path, headers=headers, heard=heard, lost=lost),
        "127.0.0.1", port, local_addr=(f"127.0.0.{2 + number % ADDRESSES}", 0))
    await socket.opened
    return socket
