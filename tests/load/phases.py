"""What the readers do, phase by phase: each takes the `Load` of a run and leaves its figures there.

`client` runs them in the order of `PHASES`. A phase leaves nothing under way to the next one. Phases whose messages the
measured design does not have are passed over for it.
"""

import asyncio
import itertools
import json
import random
import time
from collections import deque

from tests.load.model import MARK
from tests.load.pages import get_page
from tests.load.processes import resident_kb

CONNECTING = 100        # handshakes under way at once
WARMING_UP = 20         # readers who come, ask and go before anything is measured
SETTLE = 2.0            # seconds of quiet before memory and idle processor time are read
HEARTBEAT = 25.0        # what a page does
PROGRESS = 10.0         # how often a page says where its reader is
RETURNING = 350.0       # sockets a second that come back after a restart: 10,000 within half a minute
PAGES = 10.0            # reading pages a second that are asked for while questions come
BROADCASTS = 20
STREAMS = 500
PATIENCE = 30.0         # seconds for an answer that must come
QUESTION = {"questionText": "What is the lighthouse keeper's lamp for?", "context": {"currentWordIndex": 20}}


async def warm_up(load):
    """Everything has been imported, compiled and cached before memory is first read."""
    people = load.plan.students[:WARMING_UP]
    load.sockets = [s for s in [await load.connect(n, p) for n, p in enumerate(people)] if s]
    for socket in load.sockets:
        load.ask(socket)
    await load.all_acknowledged()
    for socket in load.sockets:
        socket.close()
    load.sockets = []
    if load.plan.is_ours and "open_loop" in load.plan.phases:
        for person in people:  # the first page loads the addresses and the templates of all
            await get_page(load.plan.port, person["page"], cookie=person["cookie"])
    await asyncio.sleep(SETTLE)


async def arrive(load):
    """All open their sockets and get their state back."""
    before = resident_kb(load.plan.pid)
    waiting = deque(enumerate(load.plan.students))
    began = time.monotonic()

    async def connecting():
        while waiting:
            socket = await load.connect(*waiting.popleft())
            if socket is not None:
                load.sockets.append(socket)

    with load.measured("connect"):
        await asyncio.gather(*(connecting() for _ in range(CONNECTING)))
        took = time.monotonic() - began
    load.sockets.sort(key=lambda socket: socket.number)
    load.last_heartbeats = began
    load.figures["connect_rate"] = len(load.sockets) / took
    load.figures["connect_per_cpu"] = len(load.sockets) / max(0.01, load.figures["connect_cpu"] * took / 100)
    if not load.sockets:
        raise SystemExit(f"nobody could connect: {dict(load.errors)}")
    await asyncio.sleep(SETTLE)
    load.figures["socket_kb"] = (resident_kb(load.plan.pid) - before) / len(load.sockets)


async def idle(load):
    """Nobody says anything."""
    with load.measured("idle"):
        await asyncio.sleep(load.plan.idle)


async def heartbeats(load):
    """Everybody says only that they are there, every 25 s; the others' designs have no such message."""
    if load.plan.is_ours:
        with load.measured("heartbeats"):
            await load.spread("PING", lambda socket: {}, every=HEARTBEAT, seconds=load.plan.heartbeats)
        load.last_heartbeats = time.monotonic()


async def one_at_a_time(load):
    """One question under way in the whole school; each reader in turn."""
    answered: asyncio.Future[float]
    load.acknowledged = lambda socket, waited: answered.set_result(waited)
    waits = []
    ends = time.monotonic() + load.plan.seconds
    for socket in itertools.cycle(load.sockets):
        if time.monotonic() > ends:
            break
        answered = asyncio.get_running_loop().create_future()
        load.ask(socket)
        try:
            async with asyncio.timeout(PATIENCE):
                waits.append(await answered)
        except TimeoutError:
            load.errors["acknowledgement did not come"] += 1
            break
    load.percentiles("one", waits)


async def open_loop(load):
    """Questions come at their own pace, whether or not the server keeps up; each wait counts from its due time.
    Meanwhile others open pages."""
    waits = []
    load.acknowledged = lambda socket, waited: waits.append(waited)
    pages = asyncio.create_task(_ask_for_pages(load)) if load.plan.is_ours else None
    began = time.monotonic()
    readers = itertools.cycle(load.sockets)
    asked, total = 0, int(load.plan.rate * load.plan.seconds)
    with load.measured("open"):
        while asked < total:
            due = began + asked / load.plan.rate
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            load.ask(next(readers), due=due)
            asked += 1
    await load.all_acknowledged()
    load.percentiles("open", waits)
    if pages is not None:
        load.percentiles("page", await pages)


async def _ask_for_pages(load) -> list[float]:
    waits: list[float] = []

    async def one(person):
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await get_page(load.plan.port, person["page"], cookie=person["cookie"])
            waits.append(time.monotonic() - began)
        except (OSError, ValueError, TimeoutError) as error:
            load.errors[f"no page: {type(error).__name__} {error}"] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(PAGES * load.plan.seconds)):
            tasks.create_task(one(load.plan.students[number % len(load.plan.students)]))
            await asyncio.sleep(1 / PAGES)
    return waits


async def progress(load):
    """Everybody says every ten seconds where they are."""
    if not load.plan.is_ours:
        return
    waits, revision = load.noted("PROGRESS_SAVED"), itertools.count(2)
    with load.measured("progress"):
        await load.spread("READING_PROGRESS", lambda socket: {"wordIndex": 30, "rev": next(revision)}, every=PROGRESS,
                          seconds=load.plan.seconds, timed=True)
    await load.until(lambda: not any(socket.asked for socket in load.sockets), "progress was not saved")
    load.percentiles("progress", waits)


async def broadcast(load):
    """Something is said to a class: from the sending until its last reader has it."""
    if load.plan.classes:
        await _broadcast(load, "broadcast", load.plan.classes[0])


async def broadcast_to_many(load):
    """The same, to the school's greatest class."""
    if len(load.plan.classes) > 1:
        await _broadcast(load, "many", load.plan.classes[1])


async def _broadcast(load, name, classroom):
    speaker = load.sockets[0]
    if load.plan.is_ours:
        speaker = await load.connect(len(load.plan.students), classroom["teacher"])
        if speaker is None:
            return
    payload = {"text": "Please look at page two."} | ({} if load.plan.is_ours else {"classId": classroom["id"]})
    waits = []
    for _ in range(BROADCASTS):
        done = load.expect_broadcast(range(classroom["first"], classroom["first"] + classroom["students"]))
        began = time.monotonic()
        speaker.send(load.message("BROADCAST", payload))
        try:
            async with asyncio.timeout(PATIENCE):
                await done.wait()
            waits.append(time.monotonic() - began)
        except TimeoutError:
            load.errors["a broadcast did not reach everyone"] += 1
            break
        await asyncio.sleep(0.05)
    if load.plan.is_ours:
        speaker.close()
    load.percentiles(name, waits)


async def closed_loop(load):
    """So many questions under way that the server is never without one: how many it acknowledges."""
    waits = []
    resting = deque(load.sockets)
    ends = time.monotonic() + load.plan.seconds

    def again(socket, waited):
        if time.monotonic() < ends:
            waits.append(waited)
            resting.append(socket)
            load.ask(resting.popleft())

    load.acknowledged = again
    with load.measured("closed"):
        for _ in range(min(load.plan.in_flight, len(load.sockets))):
            load.ask(resting.popleft())
        await asyncio.sleep(ends - time.monotonic())
    load.acknowledged = lambda socket, waited: None
    load.figures["closed_rate"] = len(waits) / load.plan.seconds
    load.figures["closed_per_cpu"] = len(waits) / max(0.01, load.figures["closed_cpu"] * load.plan.seconds / 100)
    load.percentiles("closed", waits)
    await load.all_acknowledged()


async def streams(load):
    """Answers come to 500 readers at once. The model writes into each piece when it sent it: what is measured is the
    way from there through the engine to the reader."""
    if not load.plan.model:
        return
    first: dict[int, float] = {}
    ended: set[int] = set()

    def hear(socket, type, payload):
        if type == b"INTERRUPTION_RESPONSE_DELTA" and socket.number not in first:
            sent = json.loads(payload)["payload"]["text"].partition(MARK)[2].partition(MARK)[0]
            first[socket.number] = time.monotonic() - float(sent)
        elif type == b"INTERRUPTION_RESPONSE":
            ended.add(socket.number)

    load.acknowledged = lambda socket, waited: None
    readers = load.sockets[:STREAMS]
    load.listeners.append(hear)
    began = time.monotonic()
    with load.measured("stream"):
        for socket in readers:
            load.ask(socket)
            await asyncio.sleep(0.005)  # the first tokens of all in one moment would measure the generator
        await load.until(lambda: len(ended) == len(readers), "answers did not come")
    load.listeners.remove(hear)
    load.figures["stream_seconds"] = time.monotonic() - began
    load.percentiles("token", list(first.values()))


async def come_back(load):
    """The connection of all is gone, and they return as pages do: each after a time of its own."""
    for socket in load.sockets:
        socket.close()
    await asyncio.sleep(SETTLE)
    people = list(enumerate(load.plan.students))
    window = len(people) / RETURNING
    random.shuffle(people)
    waits, load.sockets = [], []
    began = time.monotonic()

    async def returns(place, number, person):
        due = began + window * place / len(people)
        await asyncio.sleep(due - time.monotonic())
        socket = await load.connect(number, person)
        if socket is not None:
            waits.append(time.monotonic() - due)
            load.sockets.append(socket)

    with load.measured("return"):
        await asyncio.gather(*(returns(place, *who) for place, who in enumerate(people)))
    load.figures["return_rate"] = len(waits) / (time.monotonic() - began)
    load.percentiles("return", waits)


# What questions that pile up would disturb comes before them: where no engine runs nobody answers the last two phases', and
# where one does it takes longer over them than they last.
PHASES = [warm_up, arrive, idle, heartbeats, one_at_a_time, progress, broadcast, broadcast_to_many, come_back, streams,
          open_loop, closed_loop]
