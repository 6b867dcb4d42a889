"""`make run`: from a fresh clone to a served classroom; the second time it is up in seconds.

Checks what would otherwise fail with a traceback, prepares `.venv`, brings the database up to date, makes
the demo class once, and becomes `manage.py serve`. It decides nothing about serving.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import LOCK, ROOT, Refusal, plain_errors, prepare

# `make run PORT=` hands on an empty value, which means the default as much as none does.
OPTIONS = ("HOST", "PORT", "DATA_DIR", "DATABASE_URL", "REDIS_URL")


def main() -> None:
    """Never returns: ends as the server, or with one sentence on stderr."""
    os.chdir(ROOT)
    for name in OPTIONS:
        if not os.environ.get(name, "").strip():
            os.environ.pop(name, None)
    check_port(os.environ.get("PORT", "8000"))
    check_data_directory(Path(os.environ.get("DATA_DIR", ROOT / "var")))
    python = prepare(ROOT / ".venv", lock=LOCK)
    manage(python, "migrate", "--verbosity=0", doing="The database could not be brought up to date")
    manage(python, "collectstatic", "--noinput", "--verbosity=0", doing="The scripts and styles could not be prepared")
    manage(python, "demo", doing="The demo class could not be made")
    os.execv(python, [python, "manage.py", "serve"])


def check_port(port: str) -> None:
    """Raise Refusal unless it is a port's number: settings read it long before `serve` can complain."""
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise Refusal(f"PORT must be a number from 0 to 65535, not {port}.")


def check_data_directory(directory: Path) -> None:
    """Raise Refusal unless files can be made in `directory`, which is made if need be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise Refusal(f"The data folder {directory} cannot be written ({error.strerror}): "
                      "change its rights or choose another, as in DATA_DIR=/path.") from None


def manage(python: str, *arguments: str, doing: str) -> None:
    """Run a management command; raise Refusal, `doing` and the last line of what it said, when it fails."""
    finished = subprocess.run([python, "manage.py", *arguments], stderr=subprocess.PIPE, text=True)
    said = finished.stderr.strip().splitlines()
    if finished.returncode:
        raise Refusal(f"{doing}: {said[-1] if said else f'status {finished.returncode}'}")
    sys.stderr.write(finished.stderr)


if __name__ == "__main__":
    with plain_errors():
        main()
