"""uvicorn's WebSocket protocol, with a shorter way out for text frames.

`uvicorn --ws readerai_site.uvicorn_protocol:WebSocketProtocol` uses it; without it everything works as well. Each
question is answered by two frames, and what uvicorn and websockets make of a frame before it is written was a tenth of
the question. It changes nothing else and decides nothing.
"""

import struct

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

TEXT = 0x81  # a whole message in one frame


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One socket."""

    async def send(self, message):
        """Called when the application sends. All but text on an open, plain, writable connection is uvicorn's."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if (text is None or not self.writable.is_set() or self.close_sent or self.disconnected
                or self.conn.state is not State.OPEN or self.conn.extensions):
            return await super().send(message)
        payload = text.encode()
        size = len(payload)
        if size < 126:
            head = bytes((TEXT, size))
        else:
            head = struct.pack("!BBH", TEXT, 126, size) if size < 1 << 16 else struct.pack("!BBQ", TEXT, 127, size)
        self.transport.write(head + payload)
