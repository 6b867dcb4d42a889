"""Named places where a fault run kills the process with signal 9.

`FAILPOINT=name` in the environment arms one, `FAILPOINT=name:3` for the third time it is reached.
"""

import os
import signal

_name, _, _times = os.environ.get("FAILPOINT", "").partition(":")
_left = int(_times or 1)


def hit(name: str) -> None:
    """Die here, at once and without a word, if this is the armed place."""
    global _left
    if name == _name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
