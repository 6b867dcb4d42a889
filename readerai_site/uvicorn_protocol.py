"""uvicorn's WebSocket protocol, with a shorter way out for text frames and no long turns for those who flood.

`uvicorn --ws readerai_site.uvicorn_protocol:WebSocketProtocol` uses it; without it everything works, for clients that
behave as well. Each question is answered by two frames, and uvicorn hands each to the kernel by itself, which was a fifth
of all that a question took: here what one turn of the loop says to a peer leaves together. What has been read is parsed a
piece at a time, and no further than the application follows: uvicorn parses all of up to 256 KB, some thousand messages,
before anybody else has a turn. It decides nothing.
"""

import struct

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from readerai_site.durations import INPUT_MESSAGES, LAST_BYTES, PIECE
from readerai_site.peers import Inbox, bound_unsent

TEXT = 0x81  # a whole message in one frame


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One socket."""

    unparsed = unsent = b""
    last_bytes = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.queue = Inbox(self.loop)

    def connection_made(self, transport):
        """Called when the HTTP request asks for a WebSocket."""
        super().connection_made(transport)
        bound_unsent(transport.get_extra_info("socket"))

    def data_received(self, data):
        """Called with what the peer sent."""
        if len(data) <= PIECE and not self.unparsed and not self.close_sent:
            return super().data_received(data)
        self.unparsed += data
        self.parse()

    def connection_lost(self, exc):
        """Called at the very end."""
        self.unparsed = self.unsent = b""
        super().connection_lost(exc)

    def handle_close(self, event):
        """Called with the peer's close frame: what was said before ours goes out before it."""
        self.flush()
        super().handle_close(event)

    def shutdown(self):
        """Called when the server ends."""
        self.flush()
        super().shutdown()

    async def receive(self):
        """Called when the application wants the next message."""
        message = await super().receive()
        if self.unparsed:
            self.parse()
        return message

    def parse(self):
        """Parse what was read, as far as the application follows; after our close frame, as far as last words may go."""
        while self.unparsed and (self.close_sent or self.queue.qsize() < INPUT_MESSAGES):
            piece, self.unparsed = self.unparsed[:PIECE], self.unparsed[PIECE:]
            if self.close_sent:
                self.last_bytes += len(piece)
                if self.last_bytes > LAST_BYTES:
                    self.unparsed = b""
                    return self.transport.abort()
            super().data_received(piece)

    async def send(self, message):
        """Called when the application sends. All but text on an open, plain, writable connection is uvicorn's."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if (text is None or not self.writable.is_set() or self.close_sent or self.disconnected
                or self.conn.state is not State.OPEN or self.conn.extensions):
            self.flush()
            await super().send(message)
            if self.unparsed:
                self.parse()
            return
        payload = text.encode()
        size = len(payload)
        if size < 126:
            head = bytes((TEXT, size))
        else:
            head = struct.pack("!BBH", TEXT, 126, size) if size < 1 << 16 else struct.pack("!BBQ", TEXT, 127, size)
        if not self.unsent:
            self.loop.call_soon(self.flush)
        self.unsent += head + payload
        if len(self.unsent) > PIECE:
            self.flush()  # now it is the transport's, whose limits are known

    def flush(self):
        """Hand what was said since the last turn of the loop to the transport."""
        unsent, self.unsent = self.unsent, b""
        if unsent and not self.close_sent and not self.transport.is_closing():
            self.transport.write(unsent)
