"""P9: non-readers and flooders beside readers who behave, on `manage.py serve` and on uvicorn.

The bad clients are a process of their own (this module), so that their work is not the good ones' delay. Good readers
speak every few seconds; their waits alone and beside the others take turns, so that a slow moment of the machine is
shared by both. Durations are the real ones: what counts is how soon a bad client is cut off.
"""

import asyncio
import json
import os
import statistics
import sys
import time

from django.conf import settings
from django.utils import timezone

from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.load.processes import resident_kb
from tests.people import queued, stored

READERS = 200
BAD = 20
SPEAKS_EVERY = 4.0  # seconds
TURNS = 3
ROUGHLY = 1.5
MEMORY_MB = 100


async def of_bad_clients(ground: Ground, n: int) -> None:
    """P9: n non-readers and n flooders; the readers' 95th percentile and the process's memory stay as they were."""
    students, _ = await witness.people(ground, READERS + 2 * n, classes=8)
    good, bad = students[:READERS], students[READERS:]
    await stored(_have_asked_much, bad[:n])
    kinds = ("web",) if ground.is_embedded else ("web", "uvicorn")
    for kind in kinds:
        process = await getattr(ground, kind)()
        pages = [Page(ground, student, where=lambda: process.port) for student in good]  # noqa: B023 - left below
        for page in pages:
            await page.until(lambda page: page.is_live)
        await _turn(pages, 5)
        memory = resident_kb(process.pid)
        alone, beside, most = [], [], 0.0
        seconds = 12.0 * max(0.3, min(1.0, ground.scale))
        for _ in range(TURNS):
            alone += await _turn(pages, seconds)
            villains = await _villains(process.port, bad, n)
            await asyncio.sleep(2)  # they have arrived
            watch = asyncio.create_task(_most(process.pid))
            beside += await _turn(pages, seconds)
            watch.cancel()
            most = max(most, *await asyncio.gather(watch, return_exceptions=False))
            villains.terminate()
            said = json.loads((await villains.communicate())[0].decode().splitlines()[-1])
            await asyncio.sleep(1)
        p95 = [1000 * statistics.quantiles(waits, n=20)[-1] for waits in (alone, beside)]
        grown = (most - memory) / 1024
        if p95[1] > ROUGHLY * p95[0]:
            ground.fails(f"{kind}: 95th percentile {p95[0]:.1f} ms alone, {p95[1]:.1f} ms beside bad clients")
        if grown > MEMORY_MB:
            ground.fails(f"{kind}: {grown:.0f} MB more")
        lost = sum(len(page.closes) for page in pages)
        if lost:
            codes = {code for page in pages for _, code in page.closes}
            ground.fails(f"{kind}: {lost} good sockets were closed, with {codes}")
        ground.notes.append(f"{kind}: p95 {p95[0]:.1f} ms alone, {p95[1]:.1f} beside "
                            f"({len(alone)} and {len(beside)} waits); {grown:+.0f} MB; last turn {said}")
        ground.tell(ground.notes[-1])
        ground.gone(process)
        await asyncio.gather(*[page.leave() for page in pages])
        await process.kill()


of_bad_clients.environment = {"LIMITS_SCALE": "1"}


def _have_asked_much(students) -> None:
    """Give those who will not read long answers: their snapshots then fill what the kernel takes for them in a moment."""
    for student in students:
        for number in range(20):
            queued(student, f"What was {number}?", state="answered", response_text="word " * 1_600, response_type="text",
                   provider="openai", finished_at=timezone.now())


async def _turn(pages: list[Page], seconds: float) -> list[float]:
    """Let every page choose how it looks now and then; return their waits."""
    marks = {page: len(page.waits) for page in pages}
    ends = time.monotonic() + seconds

    async def speak(page: Page) -> None:
        await asyncio.sleep(page.random.uniform(0, SPEAKS_EVERY))
        while time.monotonic() < ends:
            await page.say("SET_PREFERENCES", {"fontScale": 1 + page.random.randrange(100) / 100})
            await asyncio.sleep(SPEAKS_EVERY)

    await asyncio.gather(*[speak(page) for page in pages])
    await asyncio.gather(*[page.until(lambda page: not page.outbox) for page in pages])
    return [wait for page in pages for wait in page.waits[marks[page]:]]


async def _most(pid: int) -> float:
    most = 0.0
    try:
        while True:
            most = max(most, resident_kb(pid))
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return most


async def _villains(port: int, bad, n: int):
    plan = {"port": port, "cookie": settings.SESSION_COOKIE_NAME,
            "people": [[f"/ws/sessions/{person.reading_session.pk}/", person.cookie] for person in bad], "deaf": n}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.faults.villains", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": ""})
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    await process.stdin.drain()
    return process


