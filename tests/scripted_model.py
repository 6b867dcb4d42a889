"""A language model that says what the test tells it to: a real local HTTP server, OpenAI-compatible.

It is the only fake in the tests and an independent witness: it keeps every request with its beginning and
end, and how many ran at once, whatever the code under test believes. It runs an event loop in a thread of
its own, so it serves any test, and other processes. Nothing of the project is imported here.

    with ScriptedModel() as model:
        model.says("A burrow ", "is a home.")
        model.behaves("cut", times=1)           # the first attempt breaks off in the middle
        ...  # point the client at model.url
        await model.asked(2)
        assert model.peak == 1

A rule with `times` is used up in the order given; without it, it is the default from then on, until the
next. A rule with `question` only serves requests whose question holds that text, and goes before the others.

As a process, for runs that kill workers and for benchmarks, logging a JSON line at each start and end:

    python -m tests.scripted_model --port 9100 --log model.jsonl --delay 0.4 --tokens 40 --pace 0.02
"""

import argparse
import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.scripted_answers import BEHAVIOURS, Response, answer

SEND_BUFFER = 64 * 1024  # bytes that a connection may be ahead of its client
DEFAULT_REPLY = ("A burrow ", "is a home ", "dug in the ground.")


@dataclass(slots=True)
class ModelRequest:
    """One request as the model saw it. Times are Unix seconds; `ended` is None while it runs."""

    number: int  # 1-based
    body: dict[str, Any]
    question: str
    authorization: str
    started: float
    ended: float | None = None
    outcome: str = ""  # "served" or "disconnected" (the client went first)

    @property
    def user_message(self) -> str:
        """All that the model was told apart from its instructions."""
        return "\n".join(m["content"] for m in self.body.get("messages", []) if m["role"] == "user")


@dataclass(slots=True)
class _Rule:
    value: Any
    question: str | None
    left: int | None


@dataclass(slots=True)
class _Rules:
    """Counted rules first, in order; then the newest of the others; those for a question before the rest."""

    default: Any
    rules: list[_Rule] = field(default_factory=list)

    def add(self, value: Any, *, question: str | None, times: int | None) -> None:
        if times is None:
            self.rules = [r for r in self.rules if r.left is not None or r.question != question]
        self.rules.append(_Rule(value, question, times))

    def take(self, question: str) -> Any:
        matching = [r for r in self.rules if r.left != 0 and (r.question is None or r.question in question)]
        if not matching:
            return self.default
        rule = min(matching, key=lambda r: (r.question is None, r.left is None))
        if rule.left is not None:
            rule.left -= 1
        return rule.value


class ScriptedModel:
    """An OpenAI-compatible server on a free local port; start it with `with`, or `start()` and `stop()`."""

    def __init__(
        self,
        *,
        port: int = 0,
        log: TextIO | None = None,
        delay: float = 0.0,
        pace: float = 0.0,
        send_usage: bool = True,
    ) -> None:
        self.port = port
        self.delay = delay  # seconds before the first piece
        self.pace = pace  # seconds between pieces; a drip takes 0.01 more
        self.send_usage = send_usage
        self.requests: list[ModelRequest] = []
        self.current = 0
        self.peak = 0
        self._log = log
        self._replies = _Rules(DEFAULT_REPLY)
        self._behaviours = _Rules(("normal", None))
        self._changed = threading.Condition()
        self._held_question: str | None = None
        self._held = False
        self._loop = asyncio.new_event_loop()
        self._released: asyncio.Event | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # -- what the test says ------------------------------------------------------------------------------

    def says(self, *pieces: str, times: int | None = None) -> None:
        """Answer every (or the next `times`) questions with these pieces, one chunk each."""
        with self._changed:
            self._replies.add(pieces, question=None, times=times)

    def says_for(self, question: str, *pieces: str, times: int | None = None) -> None:
        """The same, for questions that hold this text."""
        with self._changed:
            self._replies.add(pieces, question=question, times=times)

    def behaves(
        self,
        behaviour: str,
        *,
        times: int | None = None,
        question: str | None = None,
        retry_after: float | str | None = None,
    ) -> None:
        """Serve every (or the next `times`) requests in this manner: one of BEHAVIOURS."""
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"the scripted model knows no behaviour {behaviour!r}")
        with self._changed:
            self._behaviours.add((behaviour, retry_after), question=question, times=times)

    def holds(self, question: str | None = None) -> None:
        """From now on stop every answer (to that question) after its first piece, until `releases`."""
        with self._changed:
            self._held, self._held_question = True, question
        self._loop.call_soon_threadsafe(self._released.clear)

    def releases(self) -> None:
        """Let all held answers go on."""
        with self._changed:
            self._held, self._held_question = False, None
        self._loop.call_soon_threadsafe(self._released.set)

    def forgets(self) -> None:
        """Drop the requests and the peak seen so far, for instance after a warm-up."""
        with self._changed:
            self.requests.clear()
            self.peak = self.current

    def starts_anew(self) -> None:
        """Be as it was when it started, for the next of several tests that share it."""
        self.releases()
        with self._changed:
            self._replies.rules.clear()
            self._behaviours.rules.clear()
        self.forgets()

    # -- what the model saw ------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def count(self, question: str) -> int:
        """How many requests asked a question that holds this text."""
        with self._changed:
            return sum(question in r.question for r in self.requests)

    def wait_until(self, seen: Callable[[], bool], *, timeout: float = 5.0) -> None:
        """Block until `seen()`, looked at after every change. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(seen, timeout):
                raise TimeoutError(f"the model saw {len(self.requests)} requests, {self.current} open")

    def wait_for_requests(self, n: int, timeout: float = 5.0) -> None:
        """Block until `n` requests in all have begun."""
        self.wait_until(lambda: len(self.requests) >= n, timeout=timeout)

    def wait_for_ends(self, n: int, timeout: float = 5.0) -> None:
        """Block until `n` requests in all have ended, whoever ended them."""
        self.wait_until(lambda: sum(r.ended is not None for r in self.requests) >= n, timeout=timeout)

    async def asked(self, n: int = 1, timeout: float = 5.0) -> None:
        """`wait_for_requests` for tests that run in an event loop."""
        await asyncio.to_thread(self.wait_for_requests, n, timeout)

    async def ended(self, n: int = 1, timeout: float = 5.0) -> None:
        """`wait_for_ends` for tests that run in an event loop."""
        await asyncio.to_thread(self.wait_for_ends, n, timeout)

    # -- the server --------------------------------------------------------------------------------------

    def __enter__(self) -> "ScriptedModel":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; `port` and `url` are known when this returns. Raises OSError for a port in use."""
        started: list[BaseException | None] = []
        ready = threading.Event()

        async def serve() -> None:
            try:
                self._released = asyncio.Event()
                self._released.set()
                self._stopping = asyncio.Event()
                server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
            except OSError as error:
                started.append(error)
                return
            finally:
                ready.set()
            self.port = server.sockets[0].getsockname()[1]
            # Each connection's: else a megabyte is served to a client that took 8 KB of it and is about to go.
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            listening.set()
            await self._stopping.wait()
            server.close()
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        listening = threading.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=[serve()], name="scripted model", daemon=True
        )
        self._thread.start()
        ready.wait()
        if started:
            raise started[0]
        listening.wait()

    def stop(self) -> None:
        """Close every connection and the port."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called for each connection: one request, one answer, closed."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
            }
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
            request = self._begin(body, headers.get("authorization", ""))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
            return
        # The client sends nothing more: when its side yields anything, it is the end of the connection.
        gone = asyncio.ensure_future(reader.read(1))
        answer = asyncio.ensure_future(self._answer(writer, request))
        try:
            await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
            left = not answer.done() or isinstance(answer.exception(), ConnectionError)
            self._end(request, "disconnected" if left else "served")
        finally:
            gone.cancel()
            answer.cancel()
            await asyncio.gather(gone, answer, return_exceptions=True)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _begin(self, body: dict[str, Any], authorization: str) -> ModelRequest:
        messages = body.get("messages") or [{"content": ""}]
        # The last line "Question:" and what follows it, as the project's prompt has it; else everything.
        question = messages[-1]["content"].rsplit("Question:", 1)[-1].strip()
        with self._changed:
            request = ModelRequest(len(self.requests) + 1, body, question, authorization, time.time())
            self.requests.append(request)
            self.current += 1
            self.peak = max(self.peak, self.current)
            self._write_log(event="start", at=request.started, request=request)
            self._changed.notify_all()
        return request

    def _end(self, request: ModelRequest, outcome: str) -> None:
        with self._changed:
            request.ended, request.outcome = time.time(), outcome
            self.current -= 1
            self._write_log(event="end", at=request.ended, request=request)
            self._changed.notify_all()

    def _write_log(self, *, event: str, at: float, request: ModelRequest) -> None:
        if self._log is None:
            return
        line = {
            "event": event,
            "at": at,
            "number": request.number,
            "question": request.question,
            "current": self.current,
            "outcome": request.outcome,
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    async def _answer(self, writer: asyncio.StreamWriter, request: ModelRequest) -> None:
        with self._changed:
            behaviour, retry_after = self._behaviours.take(request.question)
            pieces = self._replies.take(request.question)

        async def pause(index: int) -> None:
            """Called before piece `index` is sent."""
            if index == 0 and self.delay:
                await asyncio.sleep(self.delay)
            elif index and self.pace:
                await asyncio.sleep(self.pace)
            held = self._held and (self._held_question is None or self._held_question in request.question)
            if index == 1 and held:
                await self._released.wait()

        wants_usage = (request.body.get("stream_options") or {}).get("include_usage")
        await answer(
            Response(writer),
            behaviour=behaviour,
            pieces=pieces,
            retry_after=retry_after,
            pause=pause,
            send_usage=bool(wants_usage and self.send_usage),
        )


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, help="file to which JSON lines are appended")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the first token")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between tokens")
    parser.add_argument("--tokens", type=int, help="reply with this many tokens instead of one sentence")
    parser.add_argument("--behaves", choices=sorted(BEHAVIOURS), default="normal")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(options.log.open("a", encoding="utf-8")) if options.log else None
        model = ScriptedModel(port=options.port, log=log, delay=options.delay, pace=options.pace)
        if options.tokens:
            model.says(*(f"token{i} " for i in range(options.tokens)))
        model.behaves(options.behaves)
        stack.enter_context(model)
        print(f"scripted model at {model.url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
