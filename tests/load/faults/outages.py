"""P3: Redis is killed and started again, emptied, stopped and continued, while two web processes and two workers serve.

Sockets must stay open, groups be joined again, pages heal by their counters, workers live on without a supervisor.
"""

import asyncio
import signal
import time
from collections import Counter

import redis.asyncio

from sessions import events
from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page, busy

STUDENTS = 16
JOINED_WITHIN = 20.0  # seconds; the layer's guard looks every two
HEARD_WITHIN = 10.0


async def of_redis(ground: Ground, n: int) -> None:
    """P3: n restarts, and two fifths as many FLUSHALLs and SIGSTOPs, in any order."""
    ground.model.pace = 0.02
    students, teachers = await witness.people(ground, STUDENTS, classes=2)
    one, other, *_ = await asyncio.gather(ground.web(), ground.web(), ground.worker(), ground.worker())
    for person in [*students, *teachers]:  # each has a page on either web process
        Page(ground, person, where=lambda: one.port)
        Page(ground, person, where=lambda: other.port)
    await asyncio.gather(*[page.until(lambda page: page.is_live) for page in ground.pages])
    faults = [_restart] * n + [_flush] * round(0.4 * n) + [_stop] * round(0.4 * n)
    ground.random.shuffle(faults)
    async with busy(ground.pages, _read):
        for number, fault in enumerate(faults, start=1):
            await fault(ground)
            await _joined_again(ground)
            await _heard_again(ground, fault.__name__)
            if number % 10 == 0:
                acknowledged = sum(len(page.acknowledged) for page in ground.pages)
                ground.tell(f"{number} of {len(faults)} faults, {acknowledged} acknowledged")
            await asyncio.sleep(ground.random.uniform(0, 0.5))
    closed = Counter(code for page in ground.pages for _, code in page.closes)
    if closed:
        ground.fails(f"sockets were closed: {dict(closed)}")
    for process in ground.started:
        if not process.is_running:
            ground.fails(f"a process ended by itself: {process.said[-300:]}")
    await witness.all_said(ground)
    await witness.all_ended(ground)
    found = await witness.count(ground)
    await witness.numbers_fit(ground)
    await witness.pages_agree(ground)
    ground.notes.append(f"{len(ground.pages)} sockets; {n} restarts, {round(0.4 * n)} FLUSHALL, {round(0.4 * n)} SIGSTOP")
    ground.notes.append(witness.described(found))
    ground.notes.append(f"{sum(page.restored for page in ground.pages)} RESTOREs")


async def _read(page: Page) -> None:
    if page.is_room:
        await page.say("BROADCAST", {"text": "Good morning"})
    elif page.random.random() < 0.5:
        await page.ask()
    else:
        await page.say("SET_PREFERENCES", {"fontScale": 1 + page.random.randrange(100) / 100})
    await page.until(lambda page: len(page.outbox) < 3)
    await asyncio.sleep(page.random.uniform(1, 2) * (3 if page.is_room else 1))


async def _restart(ground: Ground) -> None:
    await ground.redis.kill()
    await asyncio.sleep(ground.random.uniform(0, 2))
    ground.redis = await ground.site.redis(ground.redis_port, ground.directory)


async def _flush(ground: Ground) -> None:
    async with redis.asyncio.from_url(ground.redis_url) as connection:
        await connection.flushall()


async def _stop(ground: Ground) -> None:
    ground.redis.signal(signal.SIGSTOP)
    await asyncio.sleep(ground.random.uniform(0.3, 5))
    ground.redis.signal(signal.SIGCONT)


async def _joined_again(ground: Ground) -> None:
    """Wait until both web processes have subscribed to every reading session and every room."""
    prefix = ground.site.environment["REDIS_PREFIX"]
    groups = {events.room_group(page.person.classroom.pk) if page.is_room
              else events.session_group(page.person.reading_session.pk) for page in ground.pages}
    ends = time.monotonic() + JOINED_WITHIN
    async with redis.asyncio.from_url(ground.redis_url) as connection:
        for group in groups:
            while (await connection.pubsub_numsub(f"{prefix}:group:{group}"))[0][1] < 2:
                if time.monotonic() > ends:
                    return ground.fails(f"the group {group} was not joined again in {JOINED_WITHIN:.0f} s")
                await asyncio.sleep(0.05)


async def _heard_again(ground: Ground, fault: str) -> None:
    """Wait until a page hears, through Redis, of a question asked on the other web process."""
    asking, hearing = ground.pages[:2]
    before = hearing.heard["INTERRUPTION_ACKNOWLEDGED"]
    ends = time.monotonic() + HEARD_WITHIN
    while time.monotonic() < ends:
        await asking.ask()
        if await hearing.until(lambda page: page.heard["INTERRUPTION_ACKNOWLEDGED"] > before, seconds=1):
            return
    ground.fails(f"nothing was heard through Redis in {HEARD_WITHIN:.0f} s after {fault}")

