"""uvicorn's WebSocket protocol, with a shorter way in and out for text frames and no long turns for those who flood.

`uvicorn --ws readerai_site.uvicorn_protocol:WebSocketProtocol` uses it; without it everything works, for clients that
behave as well. Each question is answered by two frames, and uvicorn hands each to the kernel by itself, which was a fifth
of all that a question took: here what one turn of the loop says to a peer leaves together. A text that comes as one whole
frame, as all of a page's do, does not pass through websockets' parser, and reading stops only for a peer that is far ahead,
where uvicorn stops and starts it at each message, two calls of the kernel. What has been read is parsed a piece at a time,
and no further than the application follows: uvicorn parses all of up to 256 KB, some thousand messages, before anybody else
has a turn. It decides nothing.
"""

import struct

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import apply_mask
from websockets.protocol import State

from readerai_site.durations import INPUT_MESSAGES, LAST_BYTES, PIECE
from readerai_site.peers import Inbox, bound_unsent

TEXT = 0x81  # a whole message in one frame
MASKED = 0x80


def is_whole(data: bytes) -> bool:
    """True when what came is one short frame that neither begins nor goes on with a longer message."""
    if len(data) < 6 or data[0] < 0x81 or data[0] & 0x0F == 0:
        return False
    size = data[1] & 0x7F
    if size < 126:
        return len(data) == size + 6
    return size == 126 and len(data) == int.from_bytes(data[2:4], "big") + 8


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One socket."""

    unparsed = unsent = b""
    last_bytes = 0
    is_between = True  # nothing of a message waits in websockets' parser

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
            self.take(data)
        else:
            self.unparsed += data
            self.parse()
        if self.unparsed or self.queue.qsize() >= INPUT_MESSAGES:
            self.pause_reading()

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
        message = await self.queue.get()
        if self.unparsed:
            self.parse()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
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
            self.take(piece)

    def take(self, piece):
        """Hand the application what a piece says, by way of websockets' parser unless it is one text and nothing else."""
        if self.is_between and self.conn.state is State.OPEN:
            self.is_between = is_whole(piece)
            if self.is_between and piece[0] == TEXT and piece[1] & MASKED and not self.conn.extensions:
                start = 6 if piece[1] & 0x7F < 126 else 8
                try:
                    text = apply_mask(piece[start:], piece[start - 4:start]).decode()
                except UnicodeDecodeError:
                    pass  # websockets knows what to say
                else:
                    return self.queue.put_nowait({"type": "websocket.receive", "text": text})
        elif self.is_between:
            self.is_between = piece.endswith(b"\r\n\r\n") and piece.count(b"\r\n\r\n") == 1  # the handshake
        super().data_received(piece)

    def send_receive_event_to_app(self):
        """Called with each message that came through the parser. Uvicorn would stop reading here."""
        is_paused, self.read_paused = self.read_paused, True
        super().send_receive_event_to_app()
        self.read_paused = is_paused

    def pause_reading(self):
        """Read no more until the application has taken everything."""
        if not self.read_paused and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message):
        """Called when the application sends."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if text is not None and self.say(text):
            return
        self.flush()
        await super().send(message)
        if self.unparsed:
            self.parse()

    def say(self, text):
        """Send a text at once; False, and nothing is sent, unless the connection is open, plain and writable."""
        if (not self.writable.is_set() or self.close_sent or self.disconnected
                or self.conn.state is not State.OPEN or self.conn.extensions):
            return False
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
        return True

    def flush(self):
        """Hand what was said since the last turn of the loop to the transport."""
        unsent, self.unsent = self.unsent, b""
        if unsent and not self.close_sent and not self.transport.is_closing():
            self.transport.write(unsent)
