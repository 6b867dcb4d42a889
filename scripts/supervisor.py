"""Processes that belong together, in one terminal: started, watched, started again, ended in order.

`run_scaled.py` describes them. Lines of a child get its name in front; a child that dies is started again, after a
delay that doubles while it goes on dying; Ctrl-C and SIGTERM end all, group by group. A second Ctrl-C kills what is left.
Standard library only, Linux and macOS.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
SETTLED_SECONDS = 30.0  # who ran so long begins again with the first delay
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process. Children of a later `group` are ended before those of an earlier one."""

    name: str
    command: Sequence[str | Path]
    group: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # Popen's: the account to run as
    end_with: int = signal.SIGTERM
    patience: float = 30.0  # seconds from that signal to the last one
    process: asyncio.subprocess.Process | None = None
    delay: float = FIRST_DELAY

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """`run` until a signal; `start` and `end` are its parts."""

    def __init__(self, *, say: Callable[[str, str], None] | None = None):
        self.children: list[Child] = []
        self.ending = asyncio.Event()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._say = say or self._print
        self._width = 8

    @staticmethod
    def _print(name: str, line: str) -> None:
        sys.stdout.write(f"{name:<8} | {line}\n")
        sys.stdout.flush()

    def say(self, line: str, *, name: str = "") -> None:
        self._say(name or "scaled", line)

    def listen_to_signals(self) -> None:
        """End at Ctrl-C and SIGTERM, at once at the second."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_end)

    def _asked_to_end(self) -> None:
        if self.ending.is_set():
            for child in self.children:
                if child.is_running:
                    child.process.kill()
        self.ending.set()

    async def start(self, *children: Child) -> None:
        """Start these and watch over them. Raises OSError for a program that is not there."""
        for child in children:
            await self._spawn(child)
            self.children.append(child)
            self._watches[child.name] = asyncio.create_task(self._watch(child))

    async def _spawn(self, child: Child) -> None:
        child.process = await asyncio.create_subprocess_exec(
            *child.command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env={**os.environ, **child.environment},
            # Of their own: Ctrl-C is for the supervisor, which ends them in order.
            start_new_session=True, preexec_fn=_end_with_parent(child.end_with), limit=2**20, **child.options)

    async def _watch(self, child: Child) -> None:
        while True:
            started = time.monotonic()
            await self._relay(child)
            status = await child.process.wait()
            if self.ending.is_set():
                return
            if time.monotonic() - started > SETTLED_SECONDS:
                child.delay = FIRST_DELAY
            self.say(f"{child.name} ended with status {status}; it is started again in {child.delay:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(child.delay):
                    await self.ending.wait()
            if self.ending.is_set():
                return
            child.delay = min(2 * child.delay, LONGEST_DELAY)
            try:
                await self._spawn(child)
            except OSError as error:  # its program is being replaced
                self.say(f"{child.name} could not be started: {error.strerror}")

    async def _relay(self, child: Child) -> None:
        """Pass on what a child prints until it prints no more."""
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # longer than anything we keep in memory
                line = b"(a line of more than a mebibyte was left out)\n"
            if not line:
                return
            self.say(line.decode(errors="replace").rstrip("\n"), name=child.name)

    async def end(self) -> None:
        """End all, the last group first; kill who takes longer than its patience."""
        self.ending.set()
        for group in sorted({child.group for child in self.children}, reverse=True):
            await asyncio.gather(*[self._end(child) for child in self.children if child.group == group])
        await asyncio.gather(*self._watches.values())

    async def _end(self, child: Child) -> None:
        if not child.is_running:
            return
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(child.end_with)
        try:
            async with asyncio.timeout(child.patience):
                await child.process.wait()
        except TimeoutError:
            self.say(f"{child.name} did not end in {child.patience:g} s and is killed")
            child.process.kill()
            await child.process.wait()


def _end_with_parent(number: int) -> Callable[[], None] | None:
    """Return what makes a child end when its supervisor is killed, where the system (Linux) can do that."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: a forked child must not load anything
    return lambda: prctl(PR_SET_PDEATHSIG, number)
