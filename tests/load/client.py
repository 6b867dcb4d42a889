"""The load generator: one process that is some hundreds or thousands of readers, and times what they are answered.

`bench` starts one for each measured server and gives it a plan on standard input; it prints a line of JSON for
each phase it begins and one with the figures at the end. It knows two dialects, ours and the seed's, which
differ only in what a heartbeat is worth and who speaks to a class. Times are monotonic seconds in here and
milliseconds in the figures.
"""

import asyncio
import gc
import itertools
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.load.processes import processor_seconds, resident_kb
from tests.load.websocket import HandshakeRefused, Socket, frame, open_socket

CONNECTING = 100        # handshakes under way at once
WARMING_UP = 20         # readers who come, ask and go before anything is measured
SETTLE = 2.0            # seconds of quiet before memory and idle processor time are read
HEARTBEAT = 25.0        # what a page does
KEEP_ALIVE = 20.0       # between two phases nobody may be silent for longer than a heartbeat
BROADCASTS = 20
PATIENCE = 30.0         # seconds for an answer that must come
QUESTION = {"questionText": "What is the lighthouse keeper's lamp for?", "context": {"currentWordIndex": 20}}


@dataclass(frozen=True)
class Plan:
    """What `bench` asks for. `teacher` is None where readers broadcast themselves (the seed's dialect)."""

    port: int
    pid: int
    core: int | None
    students: list[dict]
    teacher: dict | None
    audience: int
    seconds: float
    idle: float
    in_flight: int
    rate: float

    @property
    def is_ours(self) -> bool:
        return self.teacher is not None


class Load:
    """All the sockets of one run, and what was heard on them."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.sockets: list[Socket] = []
        self.figures: dict[str, float] = {}
        self.heard: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.sent = 0
        self._restored: dict[int, asyncio.Future] = {}
        self._acknowledged = lambda socket, waited: None  # what a phase does with an acknowledgement
        self._broadcast_left = 0
        self._broadcast_done = asyncio.Event()
        self._ids = itertools.count()
        self._id_start = f"{os.urandom(4).hex()}-{os.urandom(2).hex()}-4{os.urandom(2).hex()[1:]}-8000-"
        self._last_heartbeats = time.monotonic()
        self._closing = False

    # ---- What is heard

    def hear(self, socket: Socket, type: bytes, payload: bytes) -> None:
        """Called with each frame of any socket."""
        if type == b"INTERRUPTION_ACKNOWLEDGED":
            if socket.asked:
                self._acknowledged(socket, time.monotonic() - socket.asked.pop(0))
        elif type == b"CLASS_BROADCAST":
            if socket.number < self.plan.audience:
                self._broadcast_left -= 1
                if self._broadcast_left == 0:
                    self._broadcast_done.set()
        elif type == b"SESSION_RESTORED" or type == b"CLASSROOM_STATE":
            if not self._restored[socket.number].done():
                self._restored[socket.number].set_result(None)
        elif type == b"ERROR":
            self.errors[json.loads(payload)["payload"]["code"]] += 1
        self.heard[type.decode()] += 1

    def lose(self, socket: Socket) -> None:
        """Called when a connection ends that should not have."""
        if not self._closing:
            self.errors[f"closed with {socket.close_code}"] += 1

    async def connect(self, number: int, person: dict) -> Socket | None:
        """Open one socket and wait for its first message; None (and an error counted) when that fails."""
        self._restored[number] = asyncio.get_running_loop().create_future()
        headers = {"Origin": f"http://127.0.0.1:{self.plan.port}", "Cookie": f"sessionid={person['cookie']}"}
        try:
            async with asyncio.timeout(PATIENCE):
                socket = await open_socket(number, port=self.plan.port, path=person["path"], headers=headers,
                                           heard=self.hear, lost=self.lose)
                await self._restored[number]
        except (HandshakeRefused, OSError, TimeoutError) as error:
            self.errors[f"not connected: {type(error).__name__} {error}"] += 1
            return None
        return socket

    # ---- What is said

    def ask(self, socket: Socket, *, due: float | None = None) -> None:
        """Send a question. `due` is when it should have been sent, if the generator is late."""
        socket.asked.append(time.monotonic() if due is None else due)
        socket.send(self.message("STUDENT_INTERRUPTION", QUESTION))
        self.sent += 1

    def message(self, type: str, payload: dict) -> bytes:
        body = {"type": type, "id": f"{self._id_start}{next(self._ids):012x}", "payload": payload}
        return frame(json.dumps(body, separators=(",", ":")).encode())

    async def keep_alive(self) -> None:
        """Let every socket send its heartbeat if the last ones are a while ago; ours must all be answered."""
        if time.monotonic() - self._last_heartbeats < KEEP_ALIVE:
            return
        self._last_heartbeats = time.monotonic()
        wanted = self.heard["PONG"] + len(self.sockets)
        for number, socket in enumerate(self.sockets):
            socket.send(self.message("PING", {}))
            if number % 100 == 99:
                await asyncio.sleep(0.02)
        if self.plan.is_ours:
            await self.until(lambda: self.heard["PONG"] >= wanted, "PONG did not come")

    async def until(self, condition, otherwise: str) -> None:
        """Wait until something has been heard; count an error if it is not."""
        ends = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > ends:
                self.errors[otherwise] += 1
                return
            await asyncio.sleep(0.01)

    async def all_acknowledged(self) -> None:
        """Wait for what is under way, so that a phase leaves nothing to the next one."""
        await self.until(lambda: not any(socket.asked for socket in self.sockets), "acknowledgements did not come")
        for socket in self.sockets:
            socket.asked.clear()

    # ---- The phases

    async def run(self) -> dict:
        """Go through all the phases and return the figures."""
        phases = [self.warm_up, self.arrive, self.sit_idle, self.heartbeats, self.one_at_a_time, self.open_loop,
                  self.broadcast, self.closed_loop]
        for phase in phases:
            print(json.dumps({"doing": phase.__name__.replace("_", " ")}), flush=True)
            await self.keep_alive()
            await phase()
            # A collection in the generator would be counted as the server's delay: only between phases.
            gc.collect()
        self.figures["errors"] = self.errors.total()
        self.figures["questions"] = self.sent
        self.figures["acknowledged"] = self.heard["INTERRUPTION_ACKNOWLEDGED"]
        self._closing = True
        for socket in self.sockets:
            socket.close()
        return {"figures": self.figures, "errors": dict(self.errors)}

    async def warm_up(self) -> None:
        """Everything has been imported, compiled and cached before memory is first read."""
        people = self.plan.students[:WARMING_UP]
        self.sockets = [s for s in [await self.connect(n, p) for n, p in enumerate(people)] if s]
        for socket in self.sockets:
            self.ask(socket)
        await self.all_acknowledged()
        for socket in self.sockets:
            socket.close()
        self.sockets = []
        await asyncio.sleep(SETTLE)

    async def arrive(self) -> None:
        """All open their sockets and get their state back."""
        before = resident_kb(self.plan.pid)
        waiting = deque(enumerate(self.plan.students))
        began = time.monotonic()

        async def connecting():
            while waiting:
                socket = await self.connect(*waiting.popleft())
                if socket is not None:
                    self.sockets.append(socket)

        with self.measured("connect"):
            await asyncio.gather(*(connecting() for _ in range(CONNECTING)))
            took = time.monotonic() - began
        self.sockets.sort(key=lambda socket: socket.number)
        self._last_heartbeats = began
        self.figures["connect_rate"] = len(self.sockets) / took
        if not self.sockets:
            raise SystemExit(f"nobody could connect: {dict(self.errors)}")
        await asyncio.sleep(SETTLE)
        self.figures["socket_kb"] = (resident_kb(self.plan.pid) - before) / len(self.sockets)

    async def sit_idle(self) -> None:
        """Nobody says anything."""
        with self.measured("idle"):
            await asyncio.sleep(self.plan.idle)

    async def heartbeats(self) -> None:
        """Everybody says only that they are there, every 25 s; the seed has no such message."""
        if not self.plan.is_ours:
            return
        began = time.monotonic()
        every = HEARTBEAT / len(self.sockets)
        readers = itertools.cycle(self.sockets)
        sent = 0
        with self.measured("heartbeats"):
            while (elapsed := time.monotonic() - began) < self.plan.idle:
                while sent * every < elapsed:
                    next(readers).send(self.message("PING", {}))
                    sent += 1
                await asyncio.sleep(max(every, 0.005))

    async def one_at_a_time(self) -> None:
        """One question under way in the whole school; each reader in turn."""
        answered: asyncio.Future[float]
        self._acknowledged = lambda socket, waited: answered.set_result(waited)
        waits = []
        ends = time.monotonic() + self.plan.seconds
        for socket in itertools.cycle(self.sockets):
            if time.monotonic() > ends:
                break
            answered = asyncio.get_running_loop().create_future()
            self.ask(socket)
            try:
                async with asyncio.timeout(PATIENCE):
                    waits.append(await answered)
            except TimeoutError:
                self.errors["acknowledgement did not come"] += 1
                break
        self.percentiles("one", waits)

    async def open_loop(self) -> None:
        """Questions come at their own pace, whether or not the server keeps up; each wait counts from its due time."""
        waits = []
        self._acknowledged = lambda socket, waited: waits.append(waited)
        began = time.monotonic()
        readers = itertools.cycle(self.sockets)
        asked, total = 0, int(self.plan.rate * self.plan.seconds)
        with self.measured("open"):
            while asked < total:
                due = began + asked / self.plan.rate
                if due > time.monotonic():
                    await asyncio.sleep(due - time.monotonic())
                self.ask(next(readers), due=due)
                asked += 1
        await self.all_acknowledged()
        self.percentiles("open", waits)

    async def broadcast(self) -> None:
        """Something is said to a class: from the sending until its last reader has it."""
        speaker = self.sockets[0]
        if self.plan.is_ours:
            teacher = await self.connect(len(self.plan.students), self.plan.teacher)
            if teacher is None:
                return
            speaker = teacher
        payload = {"text": "Please look at page two."} | ({} if self.plan.is_ours else {"classId": "1"})
        waits = []
        for _ in range(BROADCASTS):
            self._broadcast_left = sum(socket.number < self.plan.audience for socket in self.sockets)
            self._broadcast_done.clear()
            began = time.monotonic()
            speaker.send(self.message("BROADCAST", payload))
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._broadcast_done.wait()
                waits.append(time.monotonic() - began)
            except TimeoutError:
                self.errors["a broadcast did not reach everyone"] += 1
                break
            await asyncio.sleep(0.05)
        if self.plan.is_ours:
            speaker.close()
        self.percentiles("broadcast", waits)

    async def closed_loop(self) -> None:
        """So many questions under way that the server is never without one: how many it acknowledges."""
        waits = []
        resting = deque(self.sockets)
        ends = time.monotonic() + self.plan.seconds

        def again(socket, waited):
            if time.monotonic() < ends:
                waits.append(waited)
                resting.append(socket)
                self.ask(resting.popleft())

        self._acknowledged = again
        with self.measured("closed"):
            for _ in range(min(self.plan.in_flight, len(self.sockets))):
                self.ask(resting.popleft())
            await asyncio.sleep(ends - time.monotonic())
        self._acknowledged = lambda socket, waited: None
        answered = self.heard["INTERRUPTION_RESPONSE"]
        self.figures["closed_rate"] = len(waits) / self.plan.seconds
        self.figures["closed_per_cpu"] = len(waits) / max(0.01, self.figures["closed_cpu"] * self.plan.seconds / 100)
        self.percentiles("closed", waits)
        await self.all_acknowledged()
        self.figures["answers"] = answered

    # ---- Figures

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        """Note the server's and the generator's processor time over a phase, in per cent of one core."""
        began, server, own = time.monotonic(), processor_seconds(self.plan.pid), time.process_time()
        yield
        took = time.monotonic() - began
        self.figures[f"{phase}_cpu"] = 100 * (processor_seconds(self.plan.pid) - server) / took
        self.figures[f"{phase}_generator_cpu"] = 100 * (time.process_time() - own) / took

    def percentiles(self, phase: str, waits: list[float]) -> None:
        """Note the median, the 99th percentile and the longest of some waits, in milliseconds."""
        if not waits:
            self.errors[f"nothing was measured in {phase}"] += 1
            return
        waits.sort()
        self.figures[f"{phase}_p50"] = 1000 * waits[len(waits) // 2]
        self.figures[f"{phase}_p99"] = 1000 * waits[min(len(waits) - 1, int(len(waits) * 0.99))]
        self.figures[f"{phase}_max"] = 1000 * waits[-1]


def main() -> None:
    """Read the plan, run it, print the figures."""
    plan = Plan(**json.load(sys.stdin))
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    gc.freeze()
    gc.disable()

    async def run():
        return await Load(plan).run()

    import uvloop
    print(json.dumps(uvloop.run(run())), flush=True)


if __name__ == "__main__":
    main()
