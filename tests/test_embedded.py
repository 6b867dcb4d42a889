"""What runs beside the requests: started once, stopped once; the process lock; the channel worker."""

import asyncio
import os
import signal

import pytest
from channels.consumer import AsyncConsumer
from django.core.management import CommandError, call_command

from readerai_site import embedded, process_lock
from readerai_site.embedded import EmbeddedEngine
from readerai_site.layer import InProcessChannelLayer
from sessions.management.commands import runworker

PATIENCE = 5


class Background:
    """Counts its starts and stops; fails as often as it is told."""

    def __init__(self, *, embedded_engine, failures):
        self.embedded_engine = embedded_engine
        self.failures = failures
        self.events = []

    async def start(self):
        await asyncio.sleep(0)
        if self.failures:
            raise RuntimeError(self.failures.pop())
        self.events.append("started")

    async def stop(self, drain):
        self.events.append(f"stopped within {drain:g}")


@pytest.fixture
def site(monkeypatch):
    """An application that answers with its scope's type, wrapped; the lock is another test's business."""
    monkeypatch.setattr(process_lock, "acquire", lambda: None)
    monkeypatch.setattr(embedded, "tune_interpreter", lambda: None)

    class Site:
        def __init__(self):
            self.failures, self.made = [], []

            async def application(scope, receive, send):
                await send({"type": scope["type"]})

            def make_background(**options):
                self.made.append(Background(**options, failures=self.failures))
                return self.made[-1]

            self.application = EmbeddedEngine(application, make_background=make_background)

        async def visit(self, kind="http"):
            sent = []

            async def send(message):
                sent.append(message)

            await self.application({"type": kind}, None, send)
            return sent

        async def live(self, *messages):
            """Go through the ASGI lifespan; return what was answered."""
            waiting = [{"type": f"lifespan.{message}"} for message in messages]
            sent = []

            async def receive():
                return waiting.pop(0)

            async def send(message):
                sent.append(message["type"])

            await self.application({"type": "lifespan"}, receive, send)
            return sent

    return Site()


@pytest.mark.asyncio
async def test_many_first_scopes_start_it_once(site):
    answers = await asyncio.gather(*[site.visit() for _ in range(20)])
    assert answers == [[{"type": "http"}]] * 20
    assert [background.events for background in site.made] == [["started"]]
    await site.application.shutdown(drain=3)
    await site.application.shutdown(drain=3)
    assert site.made[0].events == ["started", "stopped within 3"]


@pytest.mark.asyncio
async def test_the_first_visitor_may_leave(site):
    first = asyncio.create_task(site.visit())
    await asyncio.sleep(0)
    second = asyncio.create_task(site.visit())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [{"type": "http"}]
    assert [background.events for background in site.made] == [["started"]]


def test_each_event_loop_has_its_own(site):
    for _ in range(2):
        asyncio.run(site.visit())
    assert len(site.made) == 2


@pytest.mark.asyncio
async def test_pages_are_served_while_it_cannot_start(site, monkeypatch):
    site.failures.extend(["the database is away"] * 2)
    assert await site.visit() == [{"type": "http"}]
    assert await site.visit() == [{"type": "http"}]
    assert len(site.made) == 1  # the next attempt has to wait
    monkeypatch.setattr(embedded, "RETRY_SECONDS", 0)
    site.application._retry_at.clear()
    for _ in range(3):
        await site.visit()
    assert [background.events for background in site.made] == [[], [], ["started"]]


@pytest.mark.asyncio
async def test_a_channel_worker_brings_its_own(site):
    assert await site.visit("channel") == [{"type": "channel"}]
    assert site.made == []


@pytest.mark.asyncio
async def test_lifespan(site):
    assert await site.live("startup", "shutdown") == [
        "lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert site.made[0].events[0] == "started" and len(site.made[0].events) == 2
    site.failures.append("the database is away")
    assert await site.live("startup") == ["lifespan.startup.failed"]


def test_the_lock_lies_beside_the_database(tmp_path):
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "readerai.sqlite3"}
    assert process_lock.lock_path(sqlite) == tmp_path / "readerai.sqlite3.lock"
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / "readerai.sqlite3")
    by_link = {**sqlite, "NAME": tmp_path / "link.sqlite3"}
    assert process_lock.lock_path(by_link) == process_lock.lock_path(sqlite)
    assert process_lock.lock_path({**sqlite, "NAME": ":memory:"}) is None
    postgres = {"ENGINE": "django.db.backends.postgresql", "NAME": "readerai", "HOST": "db", "PORT": 5432}
    assert process_lock.lock_path(postgres) == process_lock.lock_path(dict(postgres))
    assert process_lock.lock_path(postgres) != process_lock.lock_path({**postgres, "NAME": "other"})


# ---------------------------------------------------------------- the channel worker


class UnreliableLayer(InProcessChannelLayer):
    """Fails as often as it is told before it works again, as a Redis does that restarts."""

    outages = 0

    async def receive(self, channel):
        if channel == "tutor" and self.outages:
            self.outages -= 1
            raise ConnectionError("Redis is away")
        return await super().receive(channel)


class Listener(AsyncConsumer):
    """Notes what it hears; breaks when it is told to."""

    heard: list = []

    async def __call__(self, scope, receive, send):
        while True:
            await self.dispatch(await receive())

    async def dispatch(self, message):
        self.heard.append(message["number"])
        if message["number"] == 1:
            raise RuntimeError("asked to fail")
        if message["number"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("outages", [0, 3])
def test_the_worker_goes_on_and_ends_cleanly(outages, monkeypatch):
    layer = UnreliableLayer()
    layer.outages = outages
    background = Background(embedded_engine=True, failures=[])
    Listener.heard = []
    monkeypatch.setattr(runworker, "FIRST_DELAY", 0.01)

    async def send_all():
        for number in range(4):
            await layer.send("tutor", {"type": "tutor.wake", "number": number})

    asyncio.run(send_all())
    worker = runworker.Worker(
        application=Listener.as_asgi(), channels=["tutor"], channel_layer=layer, background=background)
    # The last message makes the worker stop; if it is never heard, so does the alarm.
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"heard only {Listener.heard}"))
    signal.alarm(PATIENCE)
    try:
        worker.run()
    finally:
        signal.alarm(0)
    assert Listener.heard == [0, 1, 2, 3]
    assert background.events[0] == "started" and background.events[1].startswith("stopped within")


def test_runworker_needs_a_layer_that_others_share(monkeypatch):
    monkeypatch.setattr(process_lock, "layer_is_in_process", lambda: True)
    with pytest.raises(CommandError, match="REDIS_URL"):
        call_command("runworker", "tutor")
    monkeypatch.setattr(process_lock, "layer_is_in_process", lambda: False)
    with pytest.raises(CommandError, match="There is no channel tutors"):
        call_command("runworker", "tutors")
