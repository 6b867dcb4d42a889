"""What an event loop has one of: a writer, a pulse, threads for reading. Tests make many loops, and `runworker` its own."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object for each event loop, made by `make` at its first use there and forgotten with the loop."""

    def __init__(self, make: Callable[[], T]):
        self._make = make
        self._made: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, T] = weakref.WeakKeyDictionary()

    def get(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            found = self._made[loop] = self._make()
        return found

    def take(self) -> T | None:
        """Return the running loop's and forget it; None if it has none."""
        return self._made.pop(asyncio.get_running_loop(), None)
