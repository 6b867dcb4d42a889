"""How much one socket may ask of us."""

import time


class Bucket:
    """A token bucket: `burst` tokens at first, `rate` a second after that."""

    __slots__ = ("burst", "rate", "_tokens", "_at")

    def __init__(self, *, rate: float, burst: float):
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = time.monotonic()

    def take(self) -> bool:
        """Take one token; False when there is none."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
