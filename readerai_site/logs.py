"""How a line of the log is written: for people, or as JSON for a collector. `settings.LOGGING` chooses; nothing else
uses it.

A line about a question carries two ids, whoever wrote it: `question`, its row's, and `message_id`, the one that the
browser gave it. So one question can be followed from the page through a web process to a worker.
"""

import json
import logging
import re
from datetime import UTC, datetime

# PostgreSQL adds the row that it refused, all its values, to what it says was wrong.
_VALUES = re.compile(r"^(?:DETAIL|CONTEXT): .*?(?=^The above exception|^During handling|\Z)", re.MULTILINE | re.DOTALL)
_QUERY = re.compile(r"\?\S*")
TRAIL = ("question", "message_id")


def trail_of(record: logging.LogRecord) -> dict[str, str]:
    return {name: value for name in TRAIL if (value := getattr(record, name, ""))}


class Formatter(logging.Formatter):
    """Writes tracebacks without the values of refused rows: they may hold a name or a question."""

    def formatMessage(self, record) -> str:
        return " ".join([super().formatMessage(record), *(f"{name}={value}" for name, value in trail_of(record).items())])

    def formatException(self, exc_info) -> str:
        return _VALUES.sub("", super().formatException(exc_info)).rstrip()


class JSONFormatter(Formatter):
    """One object a line: time (ISO 8601, UTC), level, logger, message, a question's two ids, the traceback if any."""

    def format(self, record) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname, "logger": record.name, "message": record.getMessage(), **trail_of(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False)


class WithoutQueries(logging.Filter):
    """Cuts the query off every address in a line of uvicorn's: a ticket, which opens a socket, may stand in it."""

    def filter(self, record) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_QUERY.sub("", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True
