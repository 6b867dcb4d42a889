"""`/livez`, `/readyz` and `/metrics`: what machines ask a process about itself.

`readerai_site.asgi` puts `Probes` before Django: a probe names a machine instead of the site, speaks plain http and
has no log-in, and it must be answered where every thread is busy. A worker, which serves no pages, answers the same
three on METRICS_PORT (`readerai_site.probe_port`). No answer holds an address, a name or a key of ours.
"""

import asyncio
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from sessions import events, metrics
from sessions.pulse import pulse
from sessions.services.engines import TutorStatus, tutor_status
from sessions.writes import writer

logger = logging.getLogger(__name__)

PATHS = ("/livez", "/readyz", "/metrics")
TEXT = "text/plain; charset=utf-8"
KEPT_SECONDS = 1.0  # whoever asks oftener is told the same again: a stranger's probes cost one look a second
# Left by a proxy; what then comes from this machine itself may be anybody's.
FORWARDED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip", b"forwarded", b"via"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe is told."""

    status: int
    body: bytes
    content_type: str = TEXT


NOT_FOUND = Answer(404, b"There is no such page.\n")


class Checks:
    """The parts of the site that a process needs, looked at once a second at most and once at a time."""

    def __init__(self) -> None:
        self._looks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[asyncio.Task[Any], float]]] = (
            WeakKeyDictionary())

    async def look(self, part: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `work` returns or raise what it raises; TimeoutError after `DURATIONS.probe`.

        A look that hangs is waited for again by the next one who asks: a second would hang behind it.
        """
        looks = self._looks.setdefault(asyncio.get_running_loop(), {})
        look, until = looks.get(part, (None, 0.0))
        if look is None or (look.done() and time.monotonic() > until):
            look = asyncio.ensure_future(work())
            look.add_done_callback(lambda look: look.cancelled() or look.exception())  # perhaps nobody waits any more
            looks[part] = look, time.monotonic() + KEPT_SECONDS
        async with asyncio.timeout(settings.DURATIONS.probe):
            return await asyncio.shield(look)

    async def tutor(self) -> TutorStatus:
        """Through the writer's thread, as a question goes: if that one is stuck, nothing can be asked either."""
        return await self.look("database", lambda: writer().run(tutor_status))

    async def layer(self) -> None:
        await self.look("layer", events.reach_layer)


class Probes:
    """ASGI application before `application`: it answers the probes and hands on everything else."""

    def __init__(self, application: Callable[..., Awaitable[None]] | None = None):
        self.application = application
        self._checks = Checks()

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        """Serve one request."""
        if scope["path"] not in PATHS:
            return await self.application(scope, receive, send)
        answer = await self.answer(
            scope["method"], scope["path"], scope["query_string"].decode("latin1"), scope["headers"],
            (scope.get("client") or ("",))[0])
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": headers_of(answer)})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, method: str, path: str, query: str, headers: Iterable[tuple[bytes, bytes]], peer: str) -> Answer:
        """Return the answer to one probe; `peer` is the address that the connection comes from."""
        if method not in ("GET", "HEAD"):
            return Answer(405, b"Ask with GET.\n")
        if path == "/livez":
            return Answer(200, b"alive\n")
        if path == "/readyz":
            left_out = {part for value in parse_qs(query).get("exclude", ()) for part in value.split(",")}
            return await self._ready(left_out)
        if path == "/metrics" and may_scrape(dict(headers), peer):
            return await self._metrics()
        return NOT_FOUND

    async def _ready(self, left_out: set[str]) -> Answer:
        database, layer, tutor = await asyncio.gather(
            self._tried("database", self._checks.tutor()), self._tried("layer", self._checks.layer()),
            self._engine_lives())
        parts = {part: found for part, found in (("database", database), ("layer", layer), ("tutor", tutor))
                 if part not in left_out}
        ready = all(found == "ok" for found in parts.values())
        body = json.dumps({"ready": ready, **parts}).encode() + b"\n"
        return Answer(200 if ready else 503, body, "application/json")

    async def _tried(self, part: str, check: Awaitable[Any]) -> str:
        """Return "ok" or what kind of thing went wrong; what exactly stands in the log, which strangers do not read."""
        try:
            await check
        except TimeoutError:
            return "timeout"
        except Exception as error:
            logger.warning("Not ready, %s: %r", part, error)
            return "failed"
        return "ok"

    async def _engine_lives(self) -> str:
        try:
            return "ok" if (await self._checks.tutor()).alive else "none alive"
        except Exception:
            return "unknown"

    async def _metrics(self) -> Answer:
        sockets = pulse()
        metrics.OPEN["student"].set(len(sockets.readers))
        metrics.OPEN["teacher"].set(len(sockets.rooms))
        for reason, count in getattr(get_channel_layer(), "dropped", {}).items():
            metrics.DROPPED[reason].set(count)
        try:
            status = await self._checks.tutor()
            found = status.waiting, status.oldest, status.answering, len(status.alive)
        except Exception:  # the process's own numbers are worth most while the database is away
            found = (float("nan"),) * 4
        for gauge, value in zip((metrics.WAITING, metrics.OLDEST, metrics.ANSWERING, metrics.ENGINES), found, strict=True):
            gauge.set(value)
        # On a thread: a process with many labels takes some milliseconds, and the sockets would wait for them.
        return Answer(200, await asyncio.to_thread(generate_latest, REGISTRY), CONTENT_TYPE_LATEST)


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def may_scrape(headers: dict[bytes, bytes], peer: str) -> bool:
    """True for a scraper that knows METRICS_TOKEN; where none is set and the site is not public, for this machine itself.

    On a public site the peer's address says nothing: a proxy on the same machine hands on the whole world's requests.
    """
    if settings.METRICS_TOKEN:
        wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
        return hmac.compare_digest(headers.get(b"authorization", b""), wanted)
    return not settings.PUBLIC and not FORWARDED & headers.keys() and is_loopback(peer)


def is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
