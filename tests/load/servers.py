"""The servers that `bench` measures: how each is started, fed, stopped, and asked what it really kept.

Ours run on a copy of one prepared data folder, the seed's design on a Redis of its own; every run begins
afresh. Nothing here measures.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "readerai.sqlite3"
STARTING = 60.0   # seconds
STOPPING = 40.0   # a drain has 25
SERVE = ("manage.py", "serve", "--port", "{port}")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")


class NotStarted(Exception):
    """A server did not come up; the text is what it said."""


@dataclass(frozen=True)
class Server:
    """A measured server: a column of the table."""

    name: str
    label: str
    arguments: tuple[str, ...]
    is_ours: bool = True
    environment: dict[str, str] = field(default_factory=dict)


SERVERS = [
    Server("daphne", "ours, `make run` (Daphne), engine off", SERVE, environment={"TUTOR_EMBEDDED": "0"}),
    Server("daphne-engine", "ours, Daphne, engine on", SERVE, environment={"TUTOR_EMBEDDED": "1"}),
    # Our PING keeps sockets alive, so the protocol's own pings are off (docs/operations.md).
    Server("uvicorn", "ours, uvicorn, engine off",
           (*UVICORN, "--ws-ping-interval", "0", "--ws-max-size", "65536", "readerai_site.asgi:application"),
           environment={"TUTOR_EMBEDDED": "0"}),
    Server("seed", "seed's design, FastAPI on uvicorn", (*UVICORN, "tests.load.seed_app:app"), is_ours=False),
    Server("seed-gc", "seed's design, our garbage collection", (*UVICORN, "tests.load.seed_app:app"), is_ours=False,
           environment={"SEED_GC_TUNED": "1"}),
]


@dataclass(frozen=True)
class Cores:
    """Who runs where: the generator and Redis on the last core, the measured server on all others."""

    server: set[int] | None
    generator: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        mine = sorted(os.sched_getaffinity(0))
        return cls(set(mine[:-1]), mine[-1]) if len(mine) > 1 else cls(None, None)


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return a child's environment: a fresh folder, SQLite, the in-process layer, no model, whatever this shell has."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith(("DATABASE_", "REDIS_", "OPENAI_", "TUTOR_", "DURATION_", "DJANGO_", "LLM_"))
                 and name not in ("PUBLIC_ORIGINS", "ALLOWED_HOSTS", "HTTPS", "BEHIND_PROXY", "HOST", "PORT", "DEBUG")}
    return inherited | {"DATA_DIR": str(data), "LIMITS_SCALE": "100000", "LOG_LEVEL": "WARNING",
                        "PYTHONUNBUFFERED": "1"} | extra


def fill_school(folder: Path, *, students: int, class_size: int) -> dict:
    """Make the data folder that every run copies; return its people."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.load.school", "--students", str(students), "--class-size", str(class_size)],
        cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, check=True)
    return json.loads(made.stdout)


@contextlib.contextmanager
def running(server: Server, *, folder: Path, people: dict, cores: Cores) -> Iterator[tuple[int, int]]:
    """Start a server in a copy of the school or beside a fresh Redis; yield its port and process id; stop it."""
    with contextlib.ExitStack() as stack:
        extra = dict(server.environment)
        if server.is_ours:
            shutil.copytree(folder.with_name("school"), folder)
        else:
            folder.mkdir()
            extra["REDIS_URL"] = stack.enter_context(private_redis(folder, cores))
            fill_redis(extra["REDIS_URL"], people)
        port = free_port()
        log = stack.enter_context(open(folder / "server.log", "w+"))
        process = stack.enter_context(_process(
            [sys.executable, *(part.format(port=port) for part in server.arguments)],
            cores=cores.server, cwd=ROOT, env=environment(folder, **extra), stdout=log, stderr=log))
        try:
            _wait_for(port, process)
        except NotStarted:
            raise NotStarted(f"{server.name} did not start:\n{Path(log.name).read_text()[-2000:]}") from None
        yield port, process.pid


@contextlib.contextmanager
def _process(command: list[str], *, cores: set[int] | None, **options) -> Iterator[subprocess.Popen]:
    """Run a command on some cores until the block ends, then SIGTERM."""
    process = subprocess.Popen(command, **options)
    if cores:
        os.sched_setaffinity(process.pid, cores)  # before it has threads, which inherit it
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen) -> None:
    ends = time.monotonic() + STARTING
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise NotStarted


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- The seed's Redis


def missing_for_the_seed() -> list[str]:
    """Return what the seed's design needs and is not here."""
    missing = [] if importlib.util.find_spec("fastapi") else ["fastapi"]
    return missing if shutil.which("redis-server") else [*missing, "redis-server"]


@contextlib.contextmanager
def private_redis(folder: Path, cores: Cores) -> Iterator[str]:
    """Yield the address of a throw-away Redis that writes nothing to disk, like the seed's."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--dir", str(folder)]
    with _process(command, cores={cores.generator} if cores.server else None, stdout=subprocess.DEVNULL) as process:
        _wait_for(port, process)
        yield f"redis://127.0.0.1:{port}"


def fill_redis(url: str, people: dict) -> None:
    """Store what the seed restores: a state for each session, and the first class's members."""
    client = redis.Redis.from_url(url)
    state = json.dumps({"textId": 1, "wordIndex": 20, "status": "reading", "preferences": {}, "interruptions": []})
    client.mset({f"session:{session_of(person)}": state for person in people["students"]})
    client.sadd("class:1", *(session_of(person) for person in people["students"][:people["audience"]]))
    client.close()


def session_of(person: dict) -> str:
    return person["path"].strip("/").rpartition("/")[2]


# ---- What was kept


def stored_questions(folder: Path) -> int:
    """Count the questions in the database of a server that has ended."""
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as database:
        return database.execute("SELECT count(*) FROM reading_sessions_interruption").fetchone()[0]
