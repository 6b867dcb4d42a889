"""P12: people come, go, ask, move, lose their connection, are removed and replaced, for minutes.

What a leak would move is read every few seconds: memory of every process, database connections, Redis keys. The first
third of the run is warming up; over the rest a straight line is laid, and it must be as good as level.
"""

import asyncio
import statistics
import time

import redis.asyncio
from django.db import connection

from classrooms.services.roster import remove_student
from tests.load.faults import witness
from tests.load.faults.cuts import Line, _speak
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.load.processes import resident_kb
from tests.people import stored

SEATED = 20
EVERY = 5.0  # seconds between two readings
# What may grow in ten minutes and is no leak: caches of texts and statements, rows of the school in memory's pages.
LEVEL = {"MB": 8.0, "database connections": 6.0, "Redis connections": 4.0, "Redis keys": 20.0}
ENOUGH = 5  # minutes; a line through fewer says nothing


async def with_churn(ground: Ground, n: int) -> None:
    """P12: n minutes of churn."""
    ground.model.pace = 0.02
    await asyncio.gather(ground.web(), *([] if ground.is_embedded else [ground.uvicorn(), ground.worker(), ground.worker()]))
    line = Line(ground.port, ground.random)
    await line.start()
    ends = time.monotonic() + 60 * n
    come = gone = 0
    told: list[str] = []
    readings: list[dict[str, float]] = []

    async def visit() -> None:
        """One seat: someone sits down, reads a while, leaves; and the next one comes."""
        nonlocal come, gone
        while time.monotonic() < ends:
            (student,), _ = await witness.people(ground, 1)
            page = Page(ground, student, where=lambda: line.port)
            ground.pages.remove(page)  # counted here, when they leave
            come += 1
            leaves = min(ends, time.monotonic() + page.random.uniform(5, 60))
            while time.monotonic() < leaves:
                await asyncio.sleep(page.random.uniform(1, 5))
                if page.shown is not None:
                    await _speak(page)
            if not await page.until(lambda page: not page.outbox and not page.open, seconds=120):
                told.append(f"{len(page.outbox)} unanswered, {len(page.open)} without outcome")
            if page.random.random() < 0.2:
                await stored(remove_student, student.enrollment)
                await page.until(lambda page: page.closes and page.closes[-1][1] == 4403, seconds=5)
            await page.leave()
            gone += 1

    async def read() -> None:
        while time.monotonic() < ends:
            await asyncio.sleep(EVERY)
            line.cut()
            readings.append(await _reading(ground))
            if len(readings) % 6 == 0:
                ground.tell(f"{come} came, {gone} went; " + ", ".join(
                    f"{name} {value:.0f}" for name, value in readings[-1].items()))

    await asyncio.gather(read(), *[visit() for _ in range(SEATED)])
    for what in told:
        ground.fails(what)
    await witness.all_ended(ground)
    found = await witness.count(ground, in_time=False)
    warm = readings[len(readings) // 3:]
    for name in warm[0]:
        values = [reading[name] for reading in warm]
        slope = statistics.linear_regression(range(len(values)), values).slope * (600 / EVERY)
        ground.notes.append(f"{name} {values[0]:.0f} to {values[-1]:.0f} ({slope:+.1f} in 10 min)")
        if n >= ENOUGH and slope > next(most for kind, most in LEVEL.items() if kind in name):
            ground.fails(f"{name} grows by {slope:.1f} in ten minutes")
    ground.notes.append(f"{come} came; {witness.described(found)}")


async def _reading(ground: Ground) -> dict[str, float]:
    """Return what is held at this moment."""
    found = {f"{_name(process)} {number} MB": resident_kb(process.pid) / 1024
             for number, process in enumerate(ground.started, start=1)}
    if ground.is_embedded:
        return found

    def connections() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            return cursor.fetchone()[0]

    async with redis.asyncio.from_url(ground.redis_url) as client:
        return found | {"database connections": await stored(connections), "Redis keys": await client.dbsize(),
                        "Redis connections": len(await client.client_list())}


def _name(process) -> str:
    return "uvicorn" if "Uvicorn" in process.said else "web" if process.port else "worker"
