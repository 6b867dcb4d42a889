"""How a line of the log is written. `settings.LOGGING` uses it; nothing else does."""

import logging
import re

# PostgreSQL adds the row that it refused, all its values, to what it says was wrong.
_VALUES = re.compile(r"^(?:DETAIL|CONTEXT): .*?(?=^The above exception|^During handling|\Z)", re.MULTILINE | re.DOTALL)


class Formatter(logging.Formatter):
    """Writes tracebacks without the values of refused rows: they may hold a name or a question."""

    def formatException(self, exc_info) -> str:
        return _VALUES.sub("", super().formatException(exc_info)).rstrip()
