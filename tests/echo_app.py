"""A small ASGI application for the tests of the server, and `python -m tests.echo_app` to serve it.

`/echo` sends back what it hears; `/flood` sends without end; `/deaf` accepts and never receives; `/never`
does not accept. Over HTTP: `/memory` tells the process's resident kilobytes, `/until-stopped` answers when
the background work is told to stop, `/body` the length of what was sent. Every duration comes from the
JSON in ECHO_DURATIONS. It knows nothing of the product.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from readerai_site.durations import Durations, Limits
from readerai_site.embedded import EmbeddedEngine


class Background:
    """Stands in for the tutor engine: says when it was started and stopped."""

    stopping: asyncio.Event

    def __init__(self, *, embedded_engine: bool):
        self.embedded_engine = embedded_engine

    async def start(self) -> None:
        """Fails when ECHO_START says so."""
        if os.environ.get("ECHO_START") == "fail":
            raise RuntimeError("the database is away")
        Background.stopping = asyncio.Event()
        print("background started", flush=True)

    async def stop(self, drain: float) -> None:
        """Takes a moment, as an answer that is being written would."""
        Background.stopping.set()
        await asyncio.sleep(0.1)
        print(f"background stopped within {drain:g}", flush=True)


async def sockets(scope, receive, send):
    await receive()
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/flood":
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "websocket.send", "text": "x" * 50_000})
        print("flood ended", flush=True)
        return
    if scope["path"] == "/deaf":
        await asyncio.Event().wait()
    if scope["path"] == "/returns":
        return
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == "close with 1013":
            await send({"type": "websocket.close", "code": 1013})
        elif message.get("text") == "a large one":
            await send({"type": "websocket.send", "text": "x" * 500_000})
        elif message.get("text") == "fail":
            raise RuntimeError("asked to fail")
        else:
            await send({"type": "websocket.send", "text": message["text"]})


async def pages(scope, receive, send):
    body = 0
    while True:
        message = await receive()
        body += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/until-stopped":
        print("request waits", flush=True)
        await Background.stopping.wait()
        await asyncio.sleep(0.2)
    if scope["path"] == "/for-ever":
        print("request waits", flush=True)
        await asyncio.Event().wait()
    answer = str(body)
    if scope["path"] == "/memory":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system, wherever in the heap it lies
        pages_resident = int(Path("/proc/self/statm").read_text().split()[1])
        answer = str(pages_resident * os.sysconf("SC_PAGE_SIZE") // 1024)
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"text/plain"), (b"content-length", str(len(answer)).encode())]})
    await send({"type": "http.response.body", "body": answer.encode()})


async def echo(scope, receive, send):
    await (sockets if scope["type"] == "websocket" else pages)(scope, receive, send)


application = EmbeddedEngine(echo, make_background=Background)


def configure() -> None:
    """Settings of the smallest site that `serve` and the wrapper need."""
    import django
    from django.conf import settings

    directory = Path(os.environ["ECHO_DIRECTORY"])
    settings.configure(
        ASGI_APPLICATION="tests.echo_app.application",
        ALLOWED_HOSTS=[],
        BASE_DIR=directory,
        CHANNEL_LAYERS={"default": {"BACKEND": "readerai_site.layer.InProcessChannelLayer"}},
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": directory / "echo.sqlite3"}},
        DURATIONS=replace(Durations(), **json.loads(os.environ.get("ECHO_DURATIONS", "{}"))),
        LIMITS=Limits(upload_bytes=100_000),
        LOGGING={
            "version": 1,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"], "level": "INFO"},
        },
        TUTOR_EMBEDDED=True,
        WEBSOCKET_MAX_BYTES=65_536,
    )
    django.setup()


if __name__ == "__main__":
    configure()
    # After `configure`: the command's module reads settings.
    from sessions.management.commands.serve import Command

    Command().run_from_argv([sys.argv[0], "serve", *sys.argv[1:]])
