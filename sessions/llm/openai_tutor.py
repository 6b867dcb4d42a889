"""A tutor on any server that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, llama.cpp.

The engine makes one for the process and streams many answers from it at once. It keeps the contract whatever
the server does: only a stream with a finish reason and some text is an answer. It does not retry, log or
keep a question; attempts belong to the engine.
"""

import asyncio
import email.utils
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import openai

from .contract import MAX_MODEL_NAME, MAX_REPLY_BYTES, Finish, FinishReason, ProviderError, TextDelta, TutorRequest
from .prompt import build_messages

# On the wire a reply takes some 300 bytes a token; models that think aloud first send thousands of tokens.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
# After the finish reason only the token counts are still to come; an answer does not wait long for them.
_USAGE_TIMEOUT = 2.0
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}
_RETRIABLE_STATUSES = {408, 409, 425, 429}


class OpenAITutor:
    """Streams answers of a chat model.

    `first_token_timeout` and `idle_timeout` are seconds without new text, before the first and between
    pieces; chunks without text do not count, so a server that only says it lives is given up. The deadline of
    a whole reply is the caller's: closing the generator or cancelling its task closes the HTTP response.
    """

    name = "openai"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        label: str = "AI tutor",
        first_token_timeout: float = 15.0,
        idle_timeout: float = 20.0,
    ) -> None:
        self.label = label
        self.model = model
        self._first_token_timeout = first_token_timeout
        self._idle_timeout = idle_timeout
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            # The client's own timeout starts anew with every byte, so it never stops a slow drip; ours do.
            timeout=None,
            # Compressed, a reply could outgrow the limit on its bytes.
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [_limit_bytes]}),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(self, request: TutorRequest) -> AsyncGenerator[TextDelta | Finish, None]:
        """Yield the reply's pieces, then a `Finish`; raises `ProviderError`."""
        messages = await asyncio.to_thread(build_messages, request)
        reply = _Reply(self.model)
        deadline = asyncio.get_running_loop().time() + self._first_token_timeout
        stream = await _translating_errors(self._open(messages), deadline)
        try:
            while not reply.over:
                chunk = await _translating_errors(_next_chunk(stream), deadline)
                if chunk is None:
                    break
                if text := reply.take(chunk):
                    yield TextDelta(text)
                    # Counted from when the caller asks for more: its own slowness is not the server's.
                    deadline = asyncio.get_running_loop().time() + self._idle_timeout
            if reply.finish_reason and not reply.truncated:
                with suppress(ProviderError):
                    await self._take_usage(stream, reply)
        finally:
            # A cancelled caller must not leave the server writing to nobody.
            await asyncio.shield(_close_quietly(stream))
        yield reply.finish()

    async def _open(self, messages: list[dict[str, str]]) -> Any:
        return await self._client.chat.completions.create(
            model=self.model,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
        )

    async def _take_usage(self, stream: Any, reply: "_Reply") -> None:
        deadline = asyncio.get_running_loop().time() + _USAGE_TIMEOUT
        while (chunk := await _translating_errors(_next_chunk(stream), deadline)) is not None:
            reply.take_usage(chunk)


class _Reply:
    """What has been received of one reply. Servers send odd things, so nothing in a chunk is believed."""

    def __init__(self, model: str) -> None:
        self.model = model[:MAX_MODEL_NAME]
        self.finish_reason: str | None = None
        self.truncated = False
        self._refused = False
        self._bytes = 0
        self._prompt_tokens: int | None = None
        self._completion_tokens: int | None = None

    @property
    def over(self) -> bool:
        return self.truncated or self.finish_reason is not None

    def take(self, chunk: Any) -> str:
        """Take in one chunk and return its text, cut where the reply gets too long."""
        self.take_usage(chunk)
        choices = getattr(chunk, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        delta = getattr(choice, "delta", None)
        if getattr(delta, "refusal", None):
            self._refused = True
        reason = getattr(choice, "finish_reason", None)
        if isinstance(reason, str) and reason:
            self.finish_reason = reason
        content = getattr(delta, "content", None)
        return self._within_limit(content) if isinstance(content, str) else ""

    def take_usage(self, chunk: Any) -> None:
        """Take in the model's name and the token counts where the chunk has them."""
        model = getattr(chunk, "model", None)
        if isinstance(model, str) and model:
            self.model = _storable(model)[:MAX_MODEL_NAME]
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self._prompt_tokens = _count(getattr(usage, "prompt_tokens", None))
            self._completion_tokens = _count(getattr(usage, "completion_tokens", None))

    def finish(self) -> Finish:
        """Return how the reply ended; raises `ProviderError` if it did not, or had nothing to say."""
        reason = "length" if self.truncated else _FINISH_REASONS.get(self.finish_reason or "")
        if reason and self._refused:
            reason = "refusal"
        if reason is None:
            # Also for tool calls, which were never offered.
            raise _unavailable(f"the reply ended with {self.finish_reason or 'no finish reason'}")
        if not self._bytes and reason in ("stop", "length"):
            raise _unavailable("the reply was empty")
        return Finish(
            reason,
            truncated=self.truncated or reason == "length",
            model=self.model,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
        )

    def _within_limit(self, content: str) -> str:
        encoded = _storable(content).encode()
        room = MAX_REPLY_BYTES - self._bytes
        if len(encoded) > room:
            self.truncated = True
            encoded = encoded[:room]
        text = encoded.decode("utf-8", "ignore")
        self._bytes += len(text.encode())
        return text


class _LimitedStream(httpx2.AsyncByteStream):
    """A response's bytes, up to MAX_RESPONSE_BYTES.

    The client gathers bytes until an event or an error page is whole: a server that sends one endless line
    would fill the memory until the timeout.
    """

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for part in self._stream:
            received += len(part)
            if received > MAX_RESPONSE_BYTES:
                raise httpx2.RemoteProtocolError("the response is too long")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _limit_bytes(response: httpx2.Response) -> None:
    response.stream = _LimitedStream(response.stream)


def _storable(text: str) -> str:
    """Return what every database and channel layer takes: a JSON escape can hold half a character, or a NUL."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


async def _next_chunk(stream: Any) -> Any:
    """Return the next chunk, None at the end."""
    return await anext(stream, None)


async def _translating_errors(awaitable: Any, deadline: float) -> Any:
    """Await the client until `deadline` (the loop's clock); all it raises becomes a `ProviderError`."""
    try:
        async with asyncio.timeout_at(deadline):
            return await awaitable
    except (TimeoutError, openai.APITimeoutError) as error:
        raise ProviderError("no text came in time", code="timeout", retriable=True) from error
    except openai.APIStatusError as error:
        raise _of_status(error) from error
    except Exception as error:
        # The client lets through what its parser meets: bytes that are no UTF-8, events that are no JSON or
        # not the JSON it expects. None of our own code runs under this, so no bug of ours hides here.
        raise _unavailable(f"the reply broke off: {type(error).__name__}") from error


def _unavailable(message: str) -> ProviderError:
    return ProviderError(message, code="llm_unavailable", retriable=True)


def _of_status(error: openai.APIStatusError) -> ProviderError:
    status = error.status_code
    # OpenAI also says 429 when an account has run out of money, and waiting does not cure that.
    waits = status == 429 and error.code != "insufficient_quota"
    return ProviderError(
        f"the model's server answered with status {status}",
        code="busy" if waits else "llm_unavailable",
        retriable=waits or status >= 500 or (status in _RETRIABLE_STATUSES and status != 429),
        retry_after=_retry_after(error.response.headers.get("retry-after")),
    )


def _retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as an HTTP date."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


async def _close_quietly(stream: Any) -> None:
    with suppress(openai.OpenAIError, OSError):
        await stream.close()
