"""The servers that `bench` measures: how each is started, fed, stopped, and asked what it really kept.

Ours run on a copy of one prepared data folder, or on a PostgreSQL and a Redis of their own; the seed's design on a Redis.
Every run begins afresh. Nothing here measures.
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

import psycopg
import redis

from scripts import throwaway

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "readerai.sqlite3"
STARTING = 60.0   # seconds
STOPPING = 40.0   # a drain has 25
SERVE = ("{python}", "manage.py", "serve", "--port", "{port}")
UVICORN = ("{python}", "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")
# Our PING keeps sockets alive, so the protocol's own pings are off (docs/operations.md).
OURS_ON_UVICORN = (*UVICORN, "--no-proxy-headers", "--ws", "readerai_site.uvicorn_protocol:WebSocketProtocol",
                   "--ws-ping-interval", "0", "--ws-max-size", "65536", "--ws-per-message-deflate", "false",
                   "readerai_site.asgi:application")
WORKER = (sys.executable, "manage.py", "runworker", "tutor")  # on the generator's core, as Redis and PostgreSQL are
NODE_PACKAGES = ("ws", "ioredis")


class NotStarted(Exception):
    """A server did not come up; the text is what it said."""


@dataclass(frozen=True)
class Server:
    """A measured server: a column of the table. `needs` names what runs beside it, from {"redis", "postgresql", "node",
    "fastapi", "picows", "model"}."""

    name: str
    label: str
    arguments: tuple[str, ...]
    is_ours: bool = False
    needs: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)


def _ours(name: str, label: str, arguments: tuple[str, ...], *, engine: bool = False, needs: frozenset[str] = frozenset()):
    return Server(name, label, arguments, is_ours=True, needs=needs, environment={"TUTOR_EMBEDDED": str(int(engine))})


SERVERS = [
    _ours("daphne", "ours, `make run` (Daphne)", SERVE),
    _ours("uvicorn", "ours, uvicorn", OURS_ON_UVICORN),
    _ours("scaled", "ours, uvicorn, PostgreSQL and Redis", OURS_ON_UVICORN, needs=frozenset({"redis", "postgresql"})),
    _ours("engine", "ours, uvicorn, engine on", OURS_ON_UVICORN, engine=True, needs=frozenset({"model"})),
    _ours("worker", "ours, uvicorn, PostgreSQL and Redis, a worker beside it", OURS_ON_UVICORN,
          needs=frozenset({"redis", "postgresql", "model"})),
    Server("seed", "seed's design, FastAPI", (*UVICORN, "tests.load.seed_app:app"), needs=frozenset({"redis", "fastapi"})),
    Server("seed-gc", "… with our garbage collection", (*UVICORN, "tests.load.seed_app:app"),
           needs=frozenset({"redis", "fastapi"}), environment={"SEED_GC_TUNED": "1"}),
    Server("textbook", "textbook Channels",
           (*UVICORN, "--ws-ping-interval", "0", "tests.load.textbook_app:application")),
    Server("node", "seed's design, Node", ("node", str(ROOT / "tests/load/seed_node.mjs")),
           needs=frozenset({"redis", "node"})),
    Server("echo", "bare echo, picows", ("{python}", "-m", "tests.load.echo", "--port", "{port}"),
           needs=frozenset({"picows"})),
]


@dataclass(frozen=True)
class Cores:
    """Who runs where: the generator, Redis and PostgreSQL on the last core, the measured server on all others."""

    server: set[int] | None
    generator: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        mine = sorted(os.sched_getaffinity(0))
        return cls(set(mine[:-1]), mine[-1]) if len(mine) > 1 else cls(None, None)


@dataclass
class Started:
    """A server that runs: where, as which process, for whom, and the port its model is expected on."""

    port: int
    pid: int
    people: dict
    model: int | None
    log: Path
    database_url: str = ""


def missing(server: Server) -> list[str]:
    """Return what a server needs and is not here."""
    found = [module for module in ("fastapi", "picows") if module in server.needs and not importlib.util.find_spec(module)]
    if "redis" in server.needs and not shutil.which("redis-server"):
        found.append("redis-server")
    if "postgresql" in server.needs and throwaway.postgresql_binaries() is None:
        found.append("PostgreSQL")
    if "node" in server.needs:
        found += [program for program in ("node", "npm") if not shutil.which(program)]
    return found


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return a child's environment: a fresh folder, SQLite, the in-process layer, no model, whatever this shell has."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith(("DATABASE_", "REDIS_", "OPENAI_", "TUTOR_", "DURATION_", "DJANGO_", "LLM_"))
                 and name not in ("PUBLIC_ORIGINS", "ALLOWED_HOSTS", "HTTPS", "BEHIND_PROXY", "HOST", "PORT", "DEBUG")}
    return inherited | {"DATA_DIR": str(data), "LIMITS_SCALE": "100000", "LOG_LEVEL": "WARNING",
                        "PYTHONUNBUFFERED": "1"} | extra


def fill_school(folder: Path, *, students: int, class_size: int, great_class: int = 0, **extra: str) -> dict:
    """Make the data folder that every run copies, or fill another database; return its people."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.load.school", "--students", str(students), "--class-size", str(class_size),
         "--great-class", str(great_class)],
        cwd=ROOT, env=environment(folder, **extra), stdout=subprocess.PIPE, check=True)
    return json.loads(made.stdout)


@contextlib.contextmanager
def running(server: Server, *, folder: Path, school: dict, cores: Cores) -> Iterator[Started]:
    """Start a server in a folder of its own with all it needs, filled with `school`; stop all of it afterwards.

    `school` is what `fill_school` takes. The folder "school" beside this one is made at the first call.
    """
    with contextlib.ExitStack() as stack:
        extra = dict(server.environment)
        people = _seat(folder, school)
        if server.is_ours and "postgresql" not in server.needs:
            shutil.copytree(folder.with_name("school"), folder)
        else:
            folder.mkdir()
        if "redis" in server.needs:
            extra["REDIS_URL"] = stack.enter_context(private_redis(folder, cores))
        if "postgresql" in server.needs:
            # On a real disk and flushed to it: an acknowledgement means the same on both databases.
            extra["DATABASE_URL"] = stack.enter_context(throwaway.postgresql(durable_in=folder))
            server_url, _, name = extra["DATABASE_URL"].rpartition("/")
            with psycopg.connect(f"{server_url}/postgres", autocommit=True) as database:
                database.execute(f"CREATE DATABASE {name}")
            people = fill_school(folder, **school, DATABASE_URL=extra["DATABASE_URL"])
        if not server.is_ours:
            people = _as_the_seed_knows(people, with_classes=server.name == "textbook")
        if server.name == "echo":
            people["classes"] = []  # nobody speaks to anybody there
        if "redis" in server.needs and not server.is_ours:
            fill_redis(extra["REDIS_URL"], people)
        if "node" in server.needs:
            _install_node_packages(folder.with_name("node"))
        model = free_port() if "model" in server.needs else None
        if model:
            extra |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{model}/v1", "OPENAI_API_KEY": "none",
                      "TUTOR_PROVIDER": "openai", "LLM_MAX_CONCURRENT": "500"}
        if server.is_ours and {"postgresql", "model"} <= server.needs:
            stack.enter_context(_process(WORKER, cores={cores.generator} if cores.server else None, cwd=ROOT,
                                         env=environment(folder, **extra), stdout=subprocess.DEVNULL))
        port = free_port()
        log = folder / "server.log"
        process = stack.enter_context(_process(
            [part.format(port=port, python=sys.executable) for part in server.arguments], cores=cores.server,
            cwd=folder.with_name("node") if "node" in server.needs else ROOT,
            env=environment(folder, **extra, PORT=str(port)), stdout=stack.enter_context(open(log, "w")),
            stderr=subprocess.STDOUT))
        try:
            _wait_for(port, process)
        except NotStarted:
            raise NotStarted(f"{server.name} did not start:\n{log.read_text()[-2000:]}") from None
        yield Started(port, process.pid, people, model, log, extra.get("DATABASE_URL", ""))


def _seat(folder: Path, school: dict) -> dict:
    """Return the people of the folder that all copy. Made anew after a while: log-ins end."""
    kept = folder.with_name("school")
    people = kept / "people.json"
    if not people.exists() or time.time() - people.stat().st_mtime > 20 * 60:
        shutil.rmtree(kept, ignore_errors=True)
        people_made = fill_school(kept, **school)
        people.write_text(json.dumps(people_made))
    return json.loads(people.read_text())


def _as_the_seed_knows(people: dict, *, with_classes: bool) -> dict:
    """Return the same people at the seed's addresses. Textbook Channels is told their classes there too."""
    def path(number: int, person: dict) -> str:
        mine = [classroom["id"] for classroom in people["classes"]
                if classroom["first"] <= number < classroom["first"] + classroom["students"]]
        query = "?" + "&".join(f"class={id}" for id in mine) if with_classes and mine else ""
        return f"/ws/{session_of(person)}{query}"

    students = [person | {"path": path(number, person)} for number, person in enumerate(people["students"])]
    return people | {"students": students}


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


def _install_node_packages(folder: Path) -> None:
    if not (folder / "node_modules").exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)


# ---- The seed's Redis


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
    """Store what the seed restores: a state for each session, and the members of the classes."""
    client = redis.Redis.from_url(url)
    state = json.dumps({"textId": 1, "wordIndex": 20, "status": "reading", "preferences": {}, "interruptions": []})
    client.mset({f"session:{session_of(person)}": state for person in people["students"]})
    for classroom in people["classes"]:
        members = people["students"][classroom["first"]:classroom["first"] + classroom["students"]]
        client.sadd(f"class:{classroom['id']}", *(session_of(person) for person in members))
    client.close()


def session_of(person: dict) -> str:
    return person["path"].partition("?")[0].strip("/").rpartition("/")[2]


# ---- What was kept


def stored_questions(folder: Path, started: Started) -> int:
    """Count the questions in the database. On SQLite the server may have ended; PostgreSQL is asked while it runs."""
    query = "SELECT count(*) FROM reading_sessions_interruption"
    if started.database_url:
        with psycopg.connect(started.database_url) as database:
            return database.execute(query).fetchone()[0]
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as database:
        return database.execute(query).fetchone()[0]
