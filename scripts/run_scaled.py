"""`make run-scaled`: the set-up of many machines on this one, as plain processes.

nginx before WEB web processes and WORKERS workers, on a PostgreSQL and a Redis of their own, all from this system's
packages, with their data in DATA_DIR (var/scaled). It prepares what `make run` prepares, then one supervisor starts
them, prefixes their lines and ends them. Only nginx can be reached from outside; the servers have sockets in a folder
that nobody else may enter.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import throwaway
from environment import LOCK, ROOT, Refusal, plain_errors, prepare
from run import check_data_directory, check_port, manage
from supervisor import Child, Supervisor

TEMPLATE = ROOT / "deploy" / "nginx" / "site.conf.template"
PATIENCE = 180  # seconds until each must answer, on a machine that is busy with other things
DATABASE = "readerai"
# Numbered, because the groups end from the last to the first: nginx stays to hand on what the web processes close with.
SERVERS, PROXY, OURS = 0, 1, 2
# As `make run` does it: what is run before the processes, and what cannot be done when it fails.
SET_UP = [
    (["migrate", "--verbosity=0"], "The database could not be brought up to date"),
    (["collectstatic", "--noinput", "--verbosity=0"], "The scripts and styles could not be prepared"),
    (["demo"], "The demo class could not be made"),
]


@dataclass(frozen=True)
class Plan:
    """What is asked for: where, and how many of each."""

    host: str
    port: int
    webs: list[int]  # their ports
    workers: list[int]  # the ports of their probes
    data: Path
    python: str

    @property
    def is_for_this_machine_only(self) -> bool:
        return self.host in ("127.0.0.1", "localhost")

    @property
    def url(self) -> str:
        return f"http://{'localhost' if self.is_for_this_machine_only or self.host == '0.0.0.0' else self.host}:{self.port}/"


def main(python: str | None = None) -> None:
    """Run until Ctrl-C. `python` is an interpreter that has what the lock names; without one it is prepared."""
    os.chdir(ROOT)
    for name in ("HOST", "PORT", "DATA_DIR", "WEB", "WORKERS"):
        if not os.environ.get(name, "").strip():
            os.environ.pop(name, None)
    check_port(os.environ.get("PORT", "8000"))
    data = Path(os.environ.get("DATA_DIR", ROOT / "var" / "scaled")).resolve()
    check_data_directory(data)
    missing = [name for name, found in programs().items() if found is None]
    if missing:
        raise Refusal(f"make run-scaled needs {', '.join(missing)}: on Debian and Ubuntu, "
                      "apt install postgresql redis-server nginx-light.")
    plan = make_plan(data, python or prepare(ROOT / ".venv", lock=LOCK))
    with run_folder() as folder:
        asyncio.run(run(plan, folder))


def programs() -> dict[str, Path | None]:
    """Return {what: where}, None for what this system has not."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = {name: shutil.which(command, path=places)
             for name, command in (("nginx", "nginx"), ("Redis", "redis-server"))}
    return {"PostgreSQL": throwaway.postgresql_binaries()} | {
        name: Path(path) if path else None for name, path in found.items()}


def make_plan(data: Path, python: str) -> Plan:
    """Return the plan that the environment asks for: PORT for nginx, those after it for the processes; with 0 any."""
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))
    webs, workers = count("WEB"), count("WORKERS")
    with contextlib.ExitStack() as held:  # all at once, so that no number is given out twice
        def take(wanted: int, address: str = "127.0.0.1") -> int:
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, wanted))
            except OSError as error:
                raise Refusal(f"Port {wanted} of {address} cannot be opened ({error.strerror}): choose another PORT; "
                              f"the {webs + workers} after it are used too.") from None
            return probe.getsockname()[1]

        return Plan(
            host=host, port=take(port, host), data=data, python=python,
            webs=[take(port and port + number) for number in range(1, webs + 1)],
            workers=[take(port and port + webs + number) for number in range(1, workers + 1)])


def count(name: str) -> int:
    """Return how many processes the environment asks for, 2 if it does not say."""
    asked = os.environ.get(name, "2")
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= 50):
        raise Refusal(f"{name} must be a number from 1 to 50, not {asked}.")
    return int(asked)


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """Yield a folder for sockets and nginx's files: its name is short, which a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="readerai-scaled-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' accounts pass through to their own folders
        yield folder


async def run(plan: Plan, folder: Path) -> None:
    """Start everything in its order, say where it is, and end it in the other order."""
    supervisor = Supervisor()
    supervisor.listen_to_signals()
    try:
        database, redis = await start_servers(supervisor, plan, folder)
        os.environ.update(settings_of(plan, database=database, redis=redis))
        for arguments, doing in SET_UP:
            if not supervisor.ending.is_set():
                await asyncio.to_thread(manage, plan.python, *arguments, doing=doing)
        if not supervisor.ending.is_set():
            await supervisor.start(*ours(plan))
            # nginx leaves a process that did not answer alone for ten seconds: it comes when they all do.
            for port in plan.webs:
                await until(supervisor, f"The web process at port {port}", lambda port=port: is_well("127.0.0.1", port))
            await supervisor.start(nginx(plan, folder))
            await until(supervisor, "nginx", lambda: is_well(plan.host, plan.port))
            say_where(plan, supervisor)
        await supervisor.ending.wait()
    finally:
        supervisor.say("ending …")
        await supervisor.end()


async def start_servers(supervisor: Supervisor, plan: Plan, folder: Path) -> tuple[str, str]:
    """Start PostgreSQL and Redis; return their URLs when they answer."""
    binaries, data = programs()["PostgreSQL"], plan.data / "postgresql"
    sockets = folder / "postgresql"
    sockets.mkdir(mode=0o700)
    account = throwaway.account_for(sockets)
    if not (data / "PG_VERSION").exists():
        data.mkdir(exist_ok=True)
        data.chmod(0o700)
        throwaway.account_for(data)
        await asyncio.to_thread(initialise, binaries, data, account)
    await supervisor.start(Child(
        "database", [binaries / "postgres", "-D", data, "-c", "listen_addresses=", "-c",
                     f"unix_socket_directories={sockets}", "-c", "max_connections=300"],
        group=SERVERS, options={**account, "cwd": "/"}, end_with=signal.SIGINT))  # fast: it waits for no session
    sock = folder / "redis.sock"
    await supervisor.start(Child(
        "redis", [programs()["Redis"], "--port", "0", "--unixsocket", sock, "--unixsocketperm", "700",
                  "--save", "", "--appendonly", "no", "--dir", folder, "--loglevel", "warning"], group=SERVERS))
    await until(supervisor, "PostgreSQL", lambda: is_ready(data))
    await until(supervisor, "Redis", lambda: connects(sock))
    return f"postgres://{DATABASE}@{quote(str(sockets), safe='')}/{DATABASE}", f"unix://{sock}"


def initialise(binaries: Path, data: Path, account: dict) -> None:
    """Make PostgreSQL's data folder and our database in it. Raises Refusal where its account cannot come to it."""
    for command, said in (
            ([binaries / "initdb", "--pgdata", data, "--username", DATABASE, "--auth", "trust", "--encoding", "UTF8",
              "--locale", "C.UTF-8"], ""),
            ([binaries / "postgres", "--single", "-D", data, "postgres"], f"CREATE DATABASE {DATABASE}\n")):
        made = subprocess.run(command, input=said, capture_output=True, text=True, cwd="/", **account)
        if made.returncode:
            shutil.rmtree(data, ignore_errors=True)
            reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Refusal(f"PostgreSQL's data could not be made in {data} ({reason}): root's servers run as another "
                          "account, which must be able to come there; choose another folder, as in DATA_DIR=/path.")


def is_ready(data: Path) -> bool:
    """True when PostgreSQL takes sessions: it says so in the eighth line of this file."""
    with contextlib.suppress(OSError, IndexError):
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    return False


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        return True
    return False


async def until(supervisor: Supervisor, what: str, holds) -> None:
    """Wait until it holds, or somebody wants to end."""
    deadline = time.monotonic() + PATIENCE
    while not supervisor.ending.is_set() and not await asyncio.to_thread(holds):
        if time.monotonic() > deadline:
            raise Refusal(f"{what} did not answer within {PATIENCE} s: what it said stands above.")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await supervisor.ending.wait()


def settings_of(plan: Plan, *, database: str, redis: str) -> dict[str, str]:
    """Return the variables of all our processes; what the caller's environment says already stays."""
    ours = {"DATA_DIR": str(plan.data), "DATABASE_URL": database, "REDIS_URL": redis, "BEHIND_PROXY": "1",
            "PYTHONUNBUFFERED": "1", "HOST": "127.0.0.1"}
    # A trial on one's own machine: by whatever name it is reached. Accounts are for whoever sits at it, as in `make run`.
    unless_said = {"ALLOWED_HOSTS": "*"} | ({"SIGN_UP": "1"} if plan.is_for_this_machine_only else {})
    return ours | {name: value for name, value in unless_said.items() if not os.environ.get(name)}


def ours(plan: Plan) -> list[Child]:
    """Return the web processes and the workers."""
    webs = [Child(f"web-{number}", [plan.python, "manage.py", "serve"], group=OURS, environment={"PORT": str(port)})
            for number, port in enumerate(plan.webs, start=1)]
    workers = [Child(f"tutor-{number}", [plan.python, "manage.py", "runworker", "tutor"], group=OURS,
                     environment={"METRICS_PORT": str(port)}) for number, port in enumerate(plan.workers, start=1)]
    return webs + workers


def nginx(plan: Plan, folder: Path) -> Child:
    """Write nginx's configuration, from the template that deploy/ uses, and return its process."""
    program = programs()["nginx"]
    home = folder / "nginx"
    home.mkdir(mode=0o711)
    config = home / "nginx.conf"
    config.write_text(nginx_config(plan, home, program))
    return Child("nginx", [program, "-p", home, "-c", config, "-e", "stderr"], group=PROXY, patience=5)


def nginx_config(plan: Plan, home: Path, program: Path, *, access_log: str = "off") -> str:
    """Return a whole configuration that writes nothing outside of `home`, but for an access log."""
    built = subprocess.run([program, "-V"], capture_output=True, text=True).stderr
    folders = "\n".join(f"    {name}_temp_path {home / name};" for name in
                        sorted({found.replace("-", "_") for found in re.findall(r"--http-([a-z-]+)-temp-path", built)}))
    site = string.Template(TEMPLATE.read_text()).safe_substitute(
        LISTEN=f"listen {plan.host}:{plan.port};", SERVER_NAME="_", ACCESS_LOG=access_log,
        WEB_SERVERS=" ".join(f"server 127.0.0.1:{port};" for port in plan.webs))
    return (f"daemon off;\npid {home / 'pid'};\nerror_log stderr error;\nworker_processes 1;\n"
            f"events {{\n    worker_connections 8192;\n}}\nhttp {{\n{folders}\n{site}}}\n")


def is_well(host: str, port: int) -> bool:
    """True when a process says there that it is ready: database, channel layer and a tutor."""
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=5) as answer:
            return answer.status == 200
    return False


def say_where(plan: Plan, supervisor: Supervisor) -> None:
    if not supervisor.ending.is_set():
        supervisor.say(f"web processes at {', '.join(map(str, plan.webs))}, probes of the workers at "
                       f"{', '.join(map(str, plan.workers))}")
        supervisor.say(f"ReaderAI classroom is at {plan.url}")
        supervisor.say("Ctrl-C ends all of it")


if __name__ == "__main__":
    with plain_errors():
        main()
    sys.exit(0)
