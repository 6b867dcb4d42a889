"""The load generator: one process that is some hundreds or thousands of readers, and times what they are answered.

`bench` starts one for each measured server and gives it a plan on standard input; it prints a line of JSON for
each phase it begins and one with the figures at the end. What the readers do is in `phases`. It knows two dialects, ours
and the seed's, which differ only in what a heartbeat is worth and who speaks to a class. Times are monotonic seconds in
here and milliseconds in the figures.
"""

import asyncio
import gc
import itertools
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.load import phases
from tests.load.model import Model
from tests.load.phases import PATIENCE
from tests.load.processes import processor_seconds
from tests.load.websocket import HandshakeRefused, Socket, frame, open_socket

KEEP_ALIVE = 20.0       # between two phases nobody may be silent for longer than a heartbeat


@dataclass(frozen=True)
class Plan:
    """What `bench` asks for.

    `classes` are those that something is said to: {"id", "first" (number of its first reader), "students", "teacher"}.
    `model` is the port of the model's server if the measured one answers questions, else None.
    """

    port: int
    pid: int
    core: int | None
    is_ours: bool
    students: list[dict]
    classes: list[dict]
    seconds: float
    idle: float
    heartbeats: float
    in_flight: int
    rate: float
    phases: list[str]
    model: int | None = None


class Load:
    """All the sockets of one run, and what was heard on them."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.sockets: list[Socket] = []
        self.figures: dict[str, float] = {}
        self.heard: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.sent = 0
        self.last_heartbeats = time.monotonic()
        self.acknowledged: Callable[[Socket, float], None] = lambda socket, waited: None  # what a phase does with one
        self.listeners: list[Callable[[Socket, bytes, bytes], None]] = []
        self._restored: dict[int, asyncio.Future] = {}
        self._noted: dict[bytes, list[float]] = {}
        self._audience = range(0)
        self._broadcast_left = 0
        self._broadcast_done = asyncio.Event()
        self._ids = itertools.count()
        self._id_start = f"{os.urandom(4).hex()}-{os.urandom(2).hex()}-4{os.urandom(2).hex()[1:]}-8000-"
        self._closing = False

    # ---- What is heard

    def hear(self, socket: Socket, type: bytes, payload: bytes) -> None:
        """Called with each frame of any socket."""
        if type == b"INTERRUPTION_ACKNOWLEDGED":
            if socket.asked:
                self.acknowledged(socket, time.monotonic() - socket.asked.pop(0))
        elif type in self._noted:
            if socket.asked:
                self._noted[type].append(time.monotonic() - socket.asked.pop(0))
        elif type == b"CLASS_BROADCAST":
            if socket.number in self._audience:
                self._broadcast_left -= 1
                if self._broadcast_left == 0:
                    self._broadcast_done.set()
        elif type == b"SESSION_RESTORED" or type == b"CLASSROOM_STATE":
            if not self._restored[socket.number].done():
                self._restored[socket.number].set_result(None)
        elif type == b"ERROR":
            self.errors[json.loads(payload)["payload"]["code"]] += 1
        self.heard[type.decode()] += 1
        for listen in self.listeners:
            listen(socket, type, payload)

    def lose(self, socket: Socket) -> None:
        """Called when a connection ends that should not have."""
        if not self._closing:
            self.errors[f"closed with {socket.close_code}"] += 1

    def noted(self, type: str) -> list[float]:
        """Return a list that gets the wait of every answer of this type to what was sent with `timed`."""
        return self._noted.setdefault(type.encode(), [])

    def expect_broadcast(self, audience: range) -> asyncio.Event:
        """Return what is set when these readers have heard something said to their class."""
        self._audience = audience
        self._broadcast_left = sum(socket.number in audience for socket in self.sockets)
        self._broadcast_done.clear()
        return self._broadcast_done

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
        socket.send(self.message("STUDENT_INTERRUPTION", phases.QUESTION))
        self.sent += 1

    def message(self, type: str, payload: dict) -> bytes:
        body = {"type": type, "id": f"{self._id_start}{next(self._ids):012x}", "payload": payload}
        return frame(json.dumps(body, separators=(",", ":")).encode())

    async def spread(self, type: str, payload_of, *, every: float, seconds: float, timed: bool = False) -> None:
        """Let each reader send something once in `every` seconds, evenly spread over them."""
        began = time.monotonic()
        gap = every / len(self.sockets)
        readers = itertools.cycle(self.sockets)
        sent = 0
        while (elapsed := time.monotonic() - began) < seconds:
            while sent * gap < elapsed:
                socket = next(readers)
                if timed:
                    socket.asked.append(time.monotonic())
                socket.send(self.message(type, payload_of(socket)))
                sent += 1
            await asyncio.sleep(max(gap, 0.005))

    async def keep_alive(self) -> None:
        """Let every socket send its heartbeat if the last ones are a while ago; ours must all be answered."""
        if not self.plan.is_ours or time.monotonic() - self.last_heartbeats < KEEP_ALIVE:
            return
        self.last_heartbeats = time.monotonic()
        wanted = self.heard["PONG"] + len(self.sockets)
        for number, socket in enumerate(self.sockets):
            socket.send(self.message("PING", {}))
            if number % 100 == 99:
                await asyncio.sleep(0.02)
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

    # ---- The run

    async def run(self) -> dict:
        """Go through the phases and return the figures."""
        if self.plan.model:
            await Model().start(self.plan.model)
        for phase in phases.PHASES:
            if phase.__name__ not in self.plan.phases:
                continue
            print(json.dumps({"doing": phase.__name__.replace("_", " ")}), flush=True)
            await self.keep_alive()
            await phase(self)
            # A collection in the generator would be counted as the server's delay: only between phases.
            gc.collect()
        self.figures["errors"] = self.errors.total()
        self.figures["questions"] = self.sent
        self.figures["acknowledged"] = self.heard["INTERRUPTION_ACKNOWLEDGED"]
        self.figures["answers"] = self.heard["INTERRUPTION_RESPONSE"]
        self._closing = True
        for socket in self.sockets:
            socket.close()
        return {"figures": self.figures, "errors": dict(self.errors)}

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        """Note the server's and the generator's processor time over a phase, in per cent of one core."""
        began, server, own = time.monotonic(), processor_seconds(self.plan.pid), time.process_time()
        yield
        took = time.monotonic() - began
        self.figures[f"{phase}_cpu"] = 100 * (processor_seconds(self.plan.pid) - server) / took
        self.figures[f"{phase}_generator_cpu"] = 100 * (time.process_time() - own) / took

    def percentiles(self, phase: str, waits: list[float]) -> None:
        """Note the median, high percentiles and the longest of some waits, in milliseconds."""
        if not waits:
            self.errors[f"nothing was measured in {phase}"] += 1
            return
        waits.sort()
        self.figures[f"{phase}_p50"] = 1000 * waits[len(waits) // 2]
        for percent in (95, 99):
            self.figures[f"{phase}_p{percent}"] = 1000 * waits[min(len(waits) - 1, len(waits) * percent // 100)]
        self.figures[f"{phase}_max"] = 1000 * waits[-1]


def main() -> None:
    """Read the plan, run it, print the figures."""
    plan = Plan(**json.load(sys.stdin))
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()
    gc.disable()

    async def run():
        return await Load(plan).run()

    import uvloop
    print(json.dumps(uvloop.run(run())), flush=True)


if __name__ == "__main__":
    main()
