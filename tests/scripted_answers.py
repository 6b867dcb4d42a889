"""How the scripted model answers: properly, or wrongly in one of many ways seen in real servers.

`tests.scripted_model` calls `answer` for each request; BEHAVIOURS names the ways.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

HUGE_REPLY_BYTES = 1_000_000
STATUSES = {"400", "401", "403", "404", "408", "429", "500", "502", "503"}
BEHAVIOURS = STATUSES | {
    "bad_bytes",  # half the reply, then the bytes ff fe inside the stream
    "choices_empty",  # chunks with `choices: []` only, then [DONE]
    "comments",  # server-sent comments for ever, never a chunk
    "content_filter",  # half the reply, then finish_reason content_filter
    "cut",  # half the reply, then the connection is reset
    "done_without_finish",  # the whole reply and [DONE], but no finish_reason
    "drip",  # the reply over and over, a character at a time, without end
    "empty",  # status 200, an event stream of no bytes
    "empty_reply",  # a proper stream whose text is empty
    "endless_line",  # bytes without a line's end, without end
    "error_event",  # half the reply, then an error event
    "html",  # status 200, a page
    "huge",  # one megabyte of text
    "length",  # the reply, then finish_reason length
    "no_finish",  # half the reply, then the stream just ends
    "no_money",  # status 429, as OpenAI says it when an account is empty
    "normal",
    "not_json",  # half the reply, then an event that is not JSON
    "not_sse",  # status 200, a whole completion as plain JSON
    "odd_name",  # the whole reply, by a model named after a long path with a NUL in it
    "odd_json",  # events that are JSON but nothing like a completion, then the stream ends
    "refusal",  # refusal deltas instead of text
    "reset",  # the connection is reset before any answer
    "silent",  # the request is read and never answered
    "split_utf8",  # one byte of the body at a time, characters not escaped
    "stall",  # half the reply, then nothing, the connection stays open
    "tool_calls",  # a tool call and no text
}


async def answer(
    response: "Response",
    *,
    behaviour: str,
    pieces: Sequence[str],
    retry_after: float | str | None,
    pause: Callable[[int], Awaitable[None]],
    send_usage: bool,
) -> None:
    """Send `pieces`, a chunk each, in the manner of `behaviour`; `pause(i)` is awaited before piece i."""
    if behaviour in STATUSES:
        return await response.error(int(behaviour), retry_after)
    match behaviour:
        case "no_money":
            return await response.error(429, retry_after, code="insufficient_quota")
        case "reset":
            return response.abort()
        case "silent":
            return await asyncio.Event().wait()
        case "html":
            return await response.page("text/html", b"<!doctype html><title>Sign in</title><p>Sign in")
        case "not_sse":
            message = {"role": "assistant", "content": "".join(pieces)}
            whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            return await response.page("application/json", json.dumps(whole).encode())
    if behaviour == "odd_name":
        response.model = "/srv/models/\x00" + "very-long/" * 30
    await response.begin(byte_by_byte=behaviour == "split_utf8")
    match behaviour:
        case "empty":
            return await response.end()
        case "comments":
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.01)
        case "endless_line":
            while True:
                await response.write(b"data: " + b"x" * 65536)
        case "odd_json":
            for event in ("5", "null", "[]", '"text"', '{"choices": 7}', '{"choices": [null]}'):
                await response.write(f"data: {event}\n\n".encode())
            for odd in (None, [], {"content": 7}, {"content": ["a"]}):
                await response.event({"choices": [{"index": 0, "delta": odd}]})
            return await response.end(done=True)
        case "choices_empty":
            await response.event({"object": "chat.completion.chunk", "choices": []})
            return await response.end(done=True)
        case "tool_calls":
            call = {"index": 0, "id": "call_1", "type": "function"}
            call["function"] = {"name": "open_page", "arguments": "{}"}
            await response.delta({"role": "assistant", "content": None, "tool_calls": [call]})
            await response.delta({}, finish_reason="tool_calls")
            return await response.end(done=True)
        case "refusal":
            await response.delta({"role": "assistant", "content": None, "refusal": "I can't help"})
            await response.delta({"refusal": " with that."}, finish_reason="stop")
            return await response.end(done=True)
        case "drip":
            while True:
                for character in "".join(pieces):
                    await response.delta({"content": character})
                    await pause(1)
                    await asyncio.sleep(0.01)
        case "huge":
            sentence = "A burrow is a home dug in the ground. "
            pieces = [sentence * 25] * (HUGE_REPLY_BYTES // (len(sentence) * 25) + 1)
        case "empty_reply":
            pieces = [""]
        case "cut" | "no_finish" | "error_event" | "bad_bytes" | "stall" | "content_filter" | "not_json":
            text = "".join(pieces)
            pieces = [text[: max(1, len(text) // 2)]]

    for index, piece in enumerate(pieces):
        await pause(index)
        await response.delta(({"role": "assistant"} if index == 0 else {}) | {"content": piece})
    await pause(len(pieces))

    match behaviour:
        case "cut":
            response.abort()
        case "stall":
            await asyncio.Event().wait()
        case "no_finish":
            await response.end()
        case "error_event":
            await response.event({"error": {"message": "the model fell over", "type": "server_error"}})
            await response.end()
        case "bad_bytes":
            await response.write(b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n')
            await response.delta({}, finish_reason="stop")
            await response.end(done=True)
        case "not_json":
            await response.write(b"data: {oops\n\n")
            await response.end(done=True)
        case "done_without_finish":
            await response.end(done=True)
        case _:
            reasons = {"content_filter": "content_filter", "length": "length"}
            await response.delta({}, finish_reason=reasons.get(behaviour, "stop"))
            if send_usage:
                usage = {"prompt_tokens": 321, "completion_tokens": len(pieces)}
                usage["total_tokens"] = 321 + len(pieces)
                await response.event({"choices": [], "usage": usage})
            await response.end(done=True)


class Response:
    """Writes HTTP/1.1 by hand, so that it can also be written wrongly."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._byte_by_byte = False
        self.model = "scripted-1"

    async def begin(self, *, byte_by_byte: bool) -> None:
        self._byte_by_byte = byte_by_byte
        self._writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        for part in self._parts(data):
            self._writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await self._writer.drain()
            if self._byte_by_byte:
                # Otherwise the kernel would join the parts and the client never see a split character.
                await asyncio.sleep(0)

    def _parts(self, data: bytes) -> Iterator[bytes]:
        step = 1 if self._byte_by_byte else max(1, len(data))
        return (data[i : i + step] for i in range(0, len(data), step))

    async def event(self, data: dict[str, Any]) -> None:
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": self.model}
        text = json.dumps(chunk | data, ensure_ascii=False)
        await self.write(f"data: {text}\n\n".encode())

    async def delta(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> None:
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    async def end(self, *, done: bool = False) -> None:
        if done:
            await self.write(b"data: [DONE]\n\n")
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def error(self, status: int, retry_after: float | str | None, *, code: str = "scripted") -> None:
        body = json.dumps({"error": {"message": f"status {status}", "code": code}}).encode()
        extra = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
        await self.page("application/json", body, status=status, extra=extra)

    async def page(self, content_type: str, body: bytes, *, status: int = 200, extra: str = "") -> None:
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\n{extra}"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()
