"""A model's server for the benchmark: streams the same answer to everybody, each piece marked with when it was sent.

It runs in the load generator's process, on its clock, and speaks just enough HTTP for the `openai` client.
"""

import asyncio
import contextlib
import json
import time

MARK = "|"
PIECES = 20
PAUSE = 0.05  # seconds between two pieces: an answer takes one second


class Model:
    """Listens on `port` from `start` on."""

    port: int

    async def start(self, port: int) -> None:
        await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the run is over
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(PIECES):
                    writer.write(_event({"content": f"{MARK}{time.monotonic()}{MARK} The lamp warns ships. "}))
                    await asyncio.sleep(PAUSE)
                writer.write(_event({}, finish="stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
                await writer.drain()


def _event(delta: dict, *, finish: str | None = None) -> bytes:
    body = {"id": "bench", "object": "chat.completion.chunk", "created": 0, "model": "bench",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return _chunk(f"data: {json.dumps(body)}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
